"""What ``footfall demo`` watches; each file is a program of its own and runs in a process of its own.

Each counts the calls that it makes, by the names under which they are registered, and leaves the counts as lines of
JSON in the file that it is given. That is the other half of the demo's books: it does not pass through footfall.
"""

"""The test suites of the original clients, run against the facades: ``python -m tests.originals [name]``."""

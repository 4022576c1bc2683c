"""What is written before a call returns: one file a process."""

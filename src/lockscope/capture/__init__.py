"""Get records out of running processes: the native recorder, and what watches from outside."""

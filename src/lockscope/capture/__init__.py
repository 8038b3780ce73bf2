"""Get records out of running processes: the native interposer, the Python hook, the supervisor of their ends."""

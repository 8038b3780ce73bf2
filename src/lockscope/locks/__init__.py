"""What a lock is: its modes, which of them conflict, and where SQLite keeps its own. Pure."""

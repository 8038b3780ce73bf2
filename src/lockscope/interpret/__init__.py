"""Records become lock events: one module an engine. Pure: no process, no file, no clock."""

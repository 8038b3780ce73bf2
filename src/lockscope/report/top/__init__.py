"""The full screen of `lockscope top`: lanes of the last minute, and who holds what now."""

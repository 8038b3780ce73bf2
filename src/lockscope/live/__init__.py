"""This moment: what the machine allows, and who holds what right now."""

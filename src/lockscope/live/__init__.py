"""This moment: what the machine allows and, later, who holds what right now."""

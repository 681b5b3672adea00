"""Branches and the programmes (rules) they follow. Not what happens at the till."""

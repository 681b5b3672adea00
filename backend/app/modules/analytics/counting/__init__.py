"""Counting: which cards changed, what that changes in the roll-ups, and counting everything anew."""

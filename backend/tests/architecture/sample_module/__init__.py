"""Fridays: a sentence on every card, a few points more on Fridays, and nothing in the small hours.

A feature as somebody outside the project would write it: one folder, no other file touched. It lives with the
tests and is installed by one of them only.
"""

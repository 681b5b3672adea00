"""Levels such as Bronze, Silver and Gold: reached by what is bought, with more points, a gift and perks.

It reads visits and never changes them. What a card has reached is a copy of nothing: a level is held for its period, so
it is kept here, with every move. What follows from a visit is found in the worker; the till does not wait for it.
"""

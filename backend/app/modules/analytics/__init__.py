"""Figures for the merchant: roll-ups counted by the worker, the pages that show them, and what a customer is worth.

Roll-ups are copies: they can be thrown away and counted anew from visits, redemptions and cards, and must then be
the same. Nothing here is written inside a visit, and no decision about a visit is taken from here.
"""

"""Cashback and store credit: a percentage of each purchase comes back as money on the card, to be spent in the shop.

Credit is money, kept exactly: whole minor units, append-only entries, lots that expire one by one. It is not points
(modules points) and buys no reward; it pays a part of a purchase at the till.
"""

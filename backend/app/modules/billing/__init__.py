"""What each merchant uses, month by month, and the operator's plans with their limits. No invoices and no money.

A limit stops what is new (a store, a member, a card, a mail of news), never a stamp on a card that exists.
"""

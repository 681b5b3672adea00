"""Privacy: what a customer may do with their own data without an account, and what a merchant must be able to show.

Not the data itself: every module exports and erases its own (PERSONAL_DATA), and consents are written by customers.
"""

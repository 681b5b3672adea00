"""The pages a customer sees: join, card, redeem, and the PIN pad that staff use on the customer's phone.

A shell for what modules contribute.
"""

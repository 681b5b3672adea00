"""QR codes as SVG and PNG: the store's join and stamp codes, and the code on a card.

Draws codes and knows no rules.
"""

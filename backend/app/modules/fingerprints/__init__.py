"""Which device a stamp on a customer's phone came from: keyed hashes, kept for a set time; off by default.

It recognises a phone that comes again and names nobody. It refuses nothing.
"""

"""Closing a business for good: thirty days in which its owner may open it again, then everything is erased.

It is not about closing one store (stores), one person (privacy) or one member's sign-in (accounts).
"""

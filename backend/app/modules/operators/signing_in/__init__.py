"""Operators' accounts and sessions."""

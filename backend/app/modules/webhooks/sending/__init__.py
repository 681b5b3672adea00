"""Delivering what was written down."""

"""Customers from a file: read, matched, checked, brought in row by row, and taken back."""

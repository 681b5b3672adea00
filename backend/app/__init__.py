"""Stempel: a self-hostable loyalty platform; see docs/architecture.md for where things live."""

"""The rules of points, their lots and their ledger. The use case that writes them is in visits."""

"""The rules of stamps and their ledger. The use case that writes them is in visits."""

"""The merchant's pages about customers: list, profile, corrections, merging, erasure, imports. Not the data itself."""

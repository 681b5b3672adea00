"""The card designer: what is chosen, its preview, and the merchant's own pictures."""

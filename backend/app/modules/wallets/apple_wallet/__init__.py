"""Apple Wallet: signed passes, Apple's web service for them, and the pushes that say that one changed."""

"""One customer: what happened, and what a merchant may do about it."""

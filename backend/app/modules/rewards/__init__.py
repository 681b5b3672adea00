"""What a programme gives at a threshold, what is unlocked on a card, and giving it out once."""

"""Both wallets on one page: what works, what is missing, how many cards live where."""

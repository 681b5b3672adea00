"""How a programme looks: the card designer with its pictures, and the posters for the counter.

It writes the programme's design and draws previews; how a card is drawn belongs to wallets and to the card page.
"""

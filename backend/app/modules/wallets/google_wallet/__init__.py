"""Google Wallet: loyalty classes and objects made from the card's neutral view and kept up to date by REST."""

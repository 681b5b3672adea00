"""Who signs in to a business's dashboard, and how: sign-up, team, sessions, API keys. Neither PINs nor customers."""

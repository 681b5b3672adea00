"""Businesses and how they sign in: sign-up, sessions, API keys. Neither their staff nor their stores."""

"""Businesses and how they sign in: sign-up, sessions, reset, API keys. Not their staff and not their stores."""

"""Businesses and how they sign in: sign-up, sessions, password reset, API keys. Not their staff and not their stores."""

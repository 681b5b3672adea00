"""Passkeys (WebAuthn): challenges, the two ceremonies, and what is kept of a key."""

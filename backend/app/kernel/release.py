"""Which release this is; pyproject.toml says the same, and a test holds them together."""

RELEASE = "0.1.0"

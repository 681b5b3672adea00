"""The structure as tests: boundaries, tenancy, access, privacy, documents. Each was seen to fail once."""

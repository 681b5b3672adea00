"""Businesses: the tenants, and what each says about itself. Neither who signs in, nor staff, nor stores."""

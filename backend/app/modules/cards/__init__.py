"""The card a customer holds: created, identified, linked to a browser, merged, blocked. Not how it earns."""

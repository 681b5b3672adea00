"""The buttons of a customer's page."""

"""The pages and the HTTP interface of webhooks."""

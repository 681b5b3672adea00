"""Requests to addresses that a merchant typed: webhooks, pictures. They reach the public internet and nothing else."""

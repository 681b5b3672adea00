"""News that a shop writes: a draft, looked at with the number of people it reaches, then sent by a job in batches."""

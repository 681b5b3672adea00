"""The pages of figures: each turns roll-ups into a report of figures, pictures and tables."""

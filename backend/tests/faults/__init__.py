"""The real processes killed and starved under load, and what is left compared with what was answered."""

"""People who hold cards, what they agreed to and how they are found. Not their cards."""

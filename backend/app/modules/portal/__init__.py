"""The pages a customer sees: join, card, redeem, with the PIN pad for staff on the customer's phone. A shell for what modules contribute."""

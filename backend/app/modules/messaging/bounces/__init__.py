"""What comes back: delivery reports and complaints, and the addresses that are kept back because of them."""

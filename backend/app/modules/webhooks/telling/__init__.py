"""Writing down what happens."""

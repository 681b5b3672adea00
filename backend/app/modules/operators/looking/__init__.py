"""What the pages and the metrics read: how the installation fares, without any customer in it."""

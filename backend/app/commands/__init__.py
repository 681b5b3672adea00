"""What the command line does; app/cli.py only parses and calls this."""

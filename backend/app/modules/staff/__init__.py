"""People at the till: their PINs and the limits on guessing them, paired devices and shifts. Not dashboard accounts."""

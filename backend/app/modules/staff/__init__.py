"""People at the till: PINs, the limits on guessing them, paired devices and shifts. Not dashboard accounts."""

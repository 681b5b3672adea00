"""People at the till: PINs and the limits on guessing them, paired devices, shifts. No dashboard accounts."""

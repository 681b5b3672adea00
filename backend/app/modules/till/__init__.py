"""The staff pages: pair a device, open a shift, scan, stamp, redeem, undo. The till itself decides nothing."""

"""The staff pages: pair a device, open a shift, scan, stamp, redeem, undo. Decisions are made elsewhere."""

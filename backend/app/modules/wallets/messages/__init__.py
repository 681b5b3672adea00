"""What a shop says on a pass: kept once, shown by every output until its time is over."""

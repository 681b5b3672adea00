"""One accepted scan or purchase: the award as load, decide, write, and taking it back."""

"""What customers are worth: the fit of the models, in the worker, and what pages show of it."""

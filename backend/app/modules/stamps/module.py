"""The manifest of stamps."""

from app.kernel.module import Module

MODULE = Module(
    name="stamps",
    title="Stamps",
    layer="foundation",
    needs=("stores", "cards"),
    has_models=True,
)

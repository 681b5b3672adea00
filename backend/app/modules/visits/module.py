"""The manifest of visits."""

from app.kernel.module import Module

MODULE = Module(
    name="visits",
    title="Visits",
    layer="foundation",
    needs=("stores", "cards", "staff", "wallets", "stamps", "points", "rewards"),
    has_models=True,
)

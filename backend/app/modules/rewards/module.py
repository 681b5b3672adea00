"""The manifest of rewards."""

from app.kernel.module import Module

MODULE = Module(
    name="rewards",
    title="Rewards",
    layer="foundation",
    needs=("stores", "cards", "staff", "wallets", "stamps", "points"),
    has_models=True,
)

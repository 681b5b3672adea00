"""The manifest of portal."""

from app.kernel.module import Module

MODULE = Module(
    name="portal",
    title="Customer pages",
    layer="surface",
    needs=("merchants", "stores", "customers", "cards", "wallets", "stamps", "points", "rewards", "visits", "qr", "staff", "messaging"),
    has_models=False,
)

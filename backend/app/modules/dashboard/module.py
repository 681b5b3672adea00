"""The manifest of dashboard."""

from app.kernel.module import Module

MODULE = Module(
    name="dashboard",
    title="Dashboard",
    layer="surface",
    needs=("merchants", "stores", "customers", "cards", "wallets", "stamps", "points", "rewards", "visits", "qr", "staff", "messaging"),
    has_models=False,
)

"""The manifest of wallets."""

from app.kernel.module import Module

MODULE = Module(
    name="wallets",
    title="Wallets",
    layer="foundation",
    needs=("merchants", "stores", "customers", "cards"),
    has_models=True,
)

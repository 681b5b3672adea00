"""The manifest of customers."""

from app.kernel.module import Module

MODULE = Module(
    name="customers",
    title="Customers",
    layer="foundation",
    needs=("merchants", "messaging"),
    has_models=True,
)

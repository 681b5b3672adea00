"""The manifest of staff."""

from app.kernel.module import Module

MODULE = Module(
    name="staff",
    title="Staff",
    layer="foundation",
    needs=("merchants", "stores", "messaging"),
    has_models=True,
)

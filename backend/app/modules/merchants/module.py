"""The manifest of merchants."""

from app.kernel.module import Module

MODULE = Module(
    name="merchants",
    title="Merchants",
    layer="foundation",
    needs=(),
    has_models=True,
)

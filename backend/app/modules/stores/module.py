"""The manifest of stores."""

from app.kernel.module import Module

MODULE = Module(
    name="stores",
    title="Stores",
    layer="foundation",
    needs=("merchants",),
    has_models=True,
)

"""The manifest of messaging."""

from app.kernel.module import Module

MODULE = Module(
    name="messaging",
    title="Messages",
    layer="foundation",
    needs=("merchants",),
    has_models=True,
)

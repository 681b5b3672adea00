"""The manifest of points."""

from app.kernel.module import Module

MODULE = Module(
    name="points",
    title="Points",
    layer="foundation",
    needs=("stores", "cards"),
    has_models=True,
)

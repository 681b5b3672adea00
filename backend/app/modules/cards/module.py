"""The manifest of cards."""

from app.kernel.module import Module

MODULE = Module(
    name="cards",
    title="Cards",
    layer="foundation",
    needs=("merchants", "stores", "customers", "messaging"),
    has_models=True,
    routers=("api:router",),
)

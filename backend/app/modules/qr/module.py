"""The manifest of qr."""

from app.kernel.module import Module

MODULE = Module(
    name="qr",
    title="QR codes",
    layer="foundation",
    needs=("stores",),
    routers=("pages:router",),
)

"""The manifest of till."""

from app.kernel.i18n import msg
from app.kernel.module import Module

MODULE = Module(
    name="till",
    title=msg("Staff device"),
    layer="surface",
    needs=("merchants", "stores", "staff", "customers", "cards", "wallets", "rewards", "visits", "qr"),
    routers=("api:router", "pages:router"),
)

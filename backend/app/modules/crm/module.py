"""The manifest of crm."""

from app.kernel.i18n import msg
from app.kernel.module import Module

MODULE = Module(
    name="crm",
    title=msg("Customers"),
    needs=("merchants", "accounts", "stores", "customers", "cards"),
    has_models=True,
)

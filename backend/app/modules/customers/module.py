"""The manifest of customers."""

from app.kernel.hooks import Offer
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import PERSONAL_DATA
from app.modules.customers.privacy import PERSONAL

MODULE = Module(
    name="customers",
    title="Customers",
    layer="foundation",
    needs=("merchants", "messaging"),
    has_models=True,
    permissions=(
        Permission("customers.view", msg("See customers"), frozenset({"manager", "analyst"}), api_scope=True),
        Permission(
            "customers.edit", msg("Change customers and their cards"), frozenset({"manager"}), api_scope=True
        ),
    ),
    offers=(Offer(PERSONAL_DATA, "customers", PERSONAL),),
)

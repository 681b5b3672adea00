"""The manifest of customers."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import PERSONAL_DATA
from app.modules.customers.mailing import check_consent, withdraw_consent
from app.modules.customers.preferences import ConsentSettings, check_opt_out
from app.modules.customers.privacy import PERSONAL
from app.modules.messaging.public import MAIL_COMPLAINED, MAIL_GUARD

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
    hooks=(On(MAIL_COMPLAINED, withdraw_consent),),
    offers=(
        Offer(PERSONAL_DATA, "customers", PERSONAL),
        Offer(MAIL_GUARD, "consent", check_consent),
        Offer(MAIL_GUARD, "opt_out", check_opt_out),
    ),
    settings=(ConsentSettings,),
)

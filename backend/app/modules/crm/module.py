"""The manifest of crm."""

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM, NavItem, PageContext

MANAGERS = frozenset({"manager"})

ACTIONS = {
    "customers.tagged": msg("Customers tagged"),
    "customer.untagged": msg("Tag taken off a customer"),
    "tag.deleted": msg("Tag deleted"),
    "customer.note_added": msg("Note about a customer added"),
    "customer.note_deleted": msg("Note about a customer deleted"),
    "customer.changed": msg("Customer's details changed"),
    "customer.unsubscribed": msg("Customer unsubscribed at the shop"),
    "customer.merged": msg("Two customers joined"),
    "customer.erased": msg("Customer deleted"),
    "card.adjusted": msg("Balance corrected"),
}


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the customers."""
    return [NavItem(msg("Customers"), "/dashboard/customers", "users", "customers.view", 20)]


MODULE = Module(
    name="crm",
    title=msg("Customers"),
    needs=(
        *("merchants", "accounts", "stores", "customers", "cards", "stamps", "points", "rewards"),
        *("wallets", "visits"),
    ),
    has_models=True,
    routers=(
        "pages:router",
        "profile.pages:router",
        "changes.pages:router",
        "changes.pages:card_router",
    ),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=tuple(Offer(AUDIT_ACTION, key, words) for key, words in ACTIONS.items()),
    permissions=(
        Permission("customers.adjust", msg("Correct balances by hand"), MANAGERS),
        Permission("customers.erase", msg("Delete customers"), MANAGERS),
        Permission("customers.import", msg("Bring customers from a file"), MANAGERS),
    ),
    list_pages=("/dashboard/customers",),
)

"""The manifest of crm."""

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM, PERSONAL_DATA, NavItem, PageContext
from app.modules.crm.importing.jobs import forget_draft, work_on_import
from app.modules.crm.importing.reading import FILE_BYTES_MAX
from app.modules.crm.personal import PERSONAL

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
    "import.uploaded": msg("File with customers read"),
    "import.checked": msg("Import of customers tried"),
    "import.started": msg("Import of customers started"),
    "import.undone": msg("Import of customers taken back"),
    "import.discarded": msg("File with customers forgotten"),
    "card.adjusted": msg("Balance corrected"),
}


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the customers."""
    find = msg("Find a customer")
    return [NavItem(msg("Customers"), "/dashboard/customers", "users", "customers.view", 20, search=find)]


MODULE = Module(
    name="crm",
    title=msg("Customers"),
    needs=(
        *("merchants", "accounts", "stores", "customers", "cards", "stamps", "points", "rewards"),
        *("wallets", "visits"),
    ),
    has_models=True,
    routers=(
        "importing.pages:router",
        "pages:router",
        "profile.pages:router",
        "changes.pages:router",
        "changes.pages:card_router",
    ),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(
        *(Offer(AUDIT_ACTION, key, words) for key, words in ACTIONS.items()),
        Offer(PERSONAL_DATA, "crm", PERSONAL),
    ),
    jobs=(work_on_import, forget_draft),
    # The file, and the form around it.
    uploads=(("/dashboard/customers/imports", FILE_BYTES_MAX + 500_000),),
    permissions=(
        Permission("customers.adjust", msg("Correct balances by hand"), MANAGERS),
        Permission("customers.erase", msg("Delete customers"), MANAGERS),
        Permission("customers.import", msg("Bring customers from a file"), MANAGERS, of_all_stores=True),
    ),
    list_pages=("/dashboard/customers", "/dashboard/customers/imports"),
)

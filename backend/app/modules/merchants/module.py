"""The manifest of merchants."""

from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission

MODULE = Module(
    name="merchants",
    title="Merchants",
    layer="foundation",
    needs=(),
    has_models=True,
    permissions=(
        Permission("merchant.edit", msg("Change the business's own details")),
        Permission("members.view", msg("See the own account and its sessions"), roles=frozenset({"manager", "cashier", "analyst"})),
        Permission("api_keys.edit", msg("Make and revoke API keys")),
        Permission("audit.view", msg("See who changed what"), roles=frozenset({"manager"})),
    ),
)

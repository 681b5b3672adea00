"""The manifest of rewards."""

from app.kernel.hooks import On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.modules.rewards.config import follow_program
from app.modules.stores.public import PROGRAM_CHANGED

MODULE = Module(
    name="rewards",
    title="Rewards",
    layer="foundation",
    needs=("merchants", "stores", "cards", "staff", "wallets", "stamps", "points"),
    has_models=True,
    hooks=(On(PROGRAM_CHANGED, follow_program),),
    permissions=(
        Permission("rewards.edit", msg("Change rewards"), roles=frozenset({"manager"}), api_scope=True),
    ),
)

"""The manifest of the audit log."""

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM
from app.modules.audit_log.navigation import nav_items
from app.modules.audit_log.words import WORDS

MODULE = Module(
    name="audit_log",
    title="Changes",
    needs=("merchants", "accounts"),
    routers=("api:router", "pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=tuple(Offer(AUDIT_ACTION, action, words) for action, words in WORDS.items()),
    permissions=(Permission("audit.view", msg("See who changed what"), roles=frozenset({"manager"})),),
)

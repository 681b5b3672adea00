"""The manifest of design."""

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.points import LOGO, STORE_SETTINGS
from app.kernel.web.uploads import PHOTO_BYTES_MAX
from app.modules.design.cards.pictures import logo_bytes
from app.modules.design.contributions import store_panel

MODULE = Module(
    name="design",
    title="Card design and posters",
    layer="foundation",
    needs=("merchants", "stores", "qr", "wallets", "rewards"),
    has_models=True,
    routers=(
        "cards.picture_pages:router",
        "cards.pages:router",
        "cards.removing_pages:router",
        "posters.pages:router",
    ),
    # A photo as phones take it, with the form around it.
    uploads=(("/dashboard/stores/{store_id}/design/pictures/{kind}", PHOTO_BYTES_MAX + 200_000),),
    hooks=(On(STORE_SETTINGS, store_panel),),
    offers=(
        Offer(LOGO, "design", logo_bytes),
        Offer(AUDIT_ACTION, "design.picture_added", msg("Picture for cards uploaded")),
        Offer(AUDIT_ACTION, "design.picture_removed", msg("Unused picture for cards removed")),
    ),
)

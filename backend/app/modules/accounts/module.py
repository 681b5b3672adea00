"""The manifest of accounts."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.metering import METER
from app.kernel.module import Module
from app.kernel.permissions import AUTHENTICATOR, Permission
from app.kernel.points import DEMO_DATA, NAV_ITEM
from app.modules.accounts.jobs import sweep
from app.modules.accounts.meters import MEMBERS
from app.modules.accounts.navigation import nav_items
from app.modules.accounts.signing_in.authenticators import authenticate_api_key, authenticate_session
from app.modules.accounts.team.demo import add_team

MODULE = Module(
    name="accounts",
    title="Accounts",
    layer="foundation",
    needs=("messaging", "merchants"),
    routers=(
        "signing_up.api:router",
        "signing_up.pages:router",
        "signing_in.api:router",
        "signing_in.pages:router",
        "signing_in.reset_pages:router",
        "own.api:router",
        "own.pages:router",
        "own.link_pages:router",
        "team.api:router",
        "team.pages:router",
        "team.invitation_pages:router",
        "keys.api:router",
        "keys.pages:router",
    ),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(
        Offer(AUTHENTICATOR, "session", authenticate_session),
        Offer(AUTHENTICATOR, "api_key", authenticate_api_key),
        Offer(DEMO_DATA, "accounts", add_team),
        Offer(METER, "members", MEMBERS),
    ),
    periodic=(sweep,),
    has_models=True,
    permissions=(
        Permission(
            "members.view",
            msg("See the own account and its sessions"),
            roles=frozenset({"manager", "cashier", "analyst"}),
        ),
        Permission("team.view", msg("See who signs in to the dashboard"), roles=frozenset({"manager"})),
        Permission("team.edit", msg("Invite, change and remove members, and hand the business over")),
        Permission("api_keys.edit", msg("Make and revoke API keys")),
    ),
)

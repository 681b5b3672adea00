"""The manifest of the second factor."""

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM
from app.kernel.sealing import SEALED
from app.modules.accounts.public import (
    ACCOUNT_PANEL,
    ACCOUNT_TAKEN_BACK,
    MEMBER_GONE,
    MEMBER_PANEL,
    SIGN_IN_BLOCK,
    SIGN_IN_FACTOR,
)
from app.modules.second_factor.jobs import sweep
from app.modules.second_factor.navigation import AUDIT_WORDS, account_panel, member_panel, nav_items
from app.modules.second_factor.service import SecondFactorSettings
from app.modules.second_factor.signing_in import SecondStep, on_member_gone, on_taken_back
from app.modules.second_factor.totp import SEALED_SECRETS

MODULE = Module(
    name="second_factor",
    title="Second factor",
    needs=("messaging", "merchants", "accounts", "qr"),
    has_models=True,
    routers=("pages:router", "passkeys.pages:router", "sign_in_pages:router", "team_pages:router"),
    hooks=(
        On(NAV_ITEM, nav_items),
        On(ACCOUNT_PANEL, account_panel),
        On(MEMBER_PANEL, member_panel),
        On(MEMBER_GONE, on_member_gone),
        On(ACCOUNT_TAKEN_BACK, on_taken_back),
    ),
    offers=(
        Offer(SIGN_IN_FACTOR, "second_factor", SecondStep()),
        Offer(SEALED, "second_factor", SEALED_SECRETS),
        Offer(SIGN_IN_BLOCK, "passkey", "second_factor/_sign_in.html"),
        *(Offer(AUDIT_ACTION, action, words) for action, words in AUDIT_WORDS.items()),
    ),
    periodic=(sweep,),
    settings=(SecondFactorSettings,),
    permissions=(Permission("second_factor.require", msg("Ask everyone for a second step at sign-in")),),
)

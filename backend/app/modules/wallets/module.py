"""The manifest of wallets."""

from app.kernel.hooks import Offer, On
from app.kernel.metering import METER
from app.kernel.module import Module
from app.kernel.operating import MEASURE, OPERATOR_SIGN
from app.kernel.points import CARD_BLOCK, CUSTOMER_PANEL, HOME_TILE, NAV_ITEM, PERSONAL_DATA
from app.kernel.sealing import SEALED
from app.modules.cards.public import CARD_CHANGED, CARD_MERGED, SAVE_LINK
from app.modules.merchants.public import FEATURE_SWITCHED
from app.modules.stores.public import PROGRAM_CHANGED
from app.modules.wallets.apple_wallet.credentials import AppleSetup, SealedAppleKeys, prepare_keys
from app.modules.wallets.apple_wallet.pushing import OUTPUT_APPLE, prepare_pusher
from app.modules.wallets.apple_wallet.saving import card_block as apple_card_block
from app.modules.wallets.apple_wallet.setup.checking import AppleCheck, check_apple
from app.modules.wallets.apple_wallet.telling import home_tiles as apple_tiles
from app.modules.wallets.apple_wallet.telling import warn_expiry
from app.modules.wallets.fields import holder_field, points_field, stamps_field
from app.modules.wallets.google_wallet.accounts import SEALED_ACCOUNTS
from app.modules.wallets.google_wallet.adapters import prepare_google
from app.modules.wallets.google_wallet.checking import GoogleCheck, check_google
from app.modules.wallets.google_wallet.output import GoogleOutput
from app.modules.wallets.google_wallet.saving import card_block, save_link
from app.modules.wallets.google_wallet.stand_in_keys import prepare_roots
from app.modules.wallets.hooks import OUTPUT, PASS_FIELDS
from app.modules.wallets.jobs import mark_program, poll_marks, refresh_card
from app.modules.wallets.messages.personal import PERSONAL
from app.modules.wallets.messages.service import end_message
from app.modules.wallets.meters import WALLET_PASSES
from app.modules.wallets.overview.contributions import customer_panel, nav_items
from app.modules.wallets.overview.operating import WALLET_MEASURES, wallet_signs
from app.modules.wallets.service import (
    on_card_changed,
    on_card_merged,
    on_feature_switched,
    on_program_changed,
)

MODULE = Module(
    name="wallets",
    title="Wallets",
    layer="foundation",
    needs=("messaging", "merchants", "stores", "customers", "cards"),
    has_models=True,
    routers=(
        "apple_wallet.api:router",
        "apple_wallet.badge:router",
        "apple_wallet.web_service:router",
        "apple_wallet.setup.pages:router",
        "google_wallet.api:router",
        "google_wallet.preview_pages:router",
        "google_wallet.pages:router",
        "overview.pages:router",
    ),
    hooks=(
        On(CARD_CHANGED, on_card_changed),
        On(CARD_MERGED, on_card_merged),
        # After the rewards module has moved stamps_needed.
        On(PROGRAM_CHANGED, on_program_changed, order=200),
        On(FEATURE_SWITCHED, on_feature_switched),
        On(SAVE_LINK, save_link),
        On(CARD_BLOCK, apple_card_block),
        On(CARD_BLOCK, card_block),
        On(NAV_ITEM, nav_items),
        On(HOME_TILE, apple_tiles),
        On(CUSTOMER_PANEL, customer_panel),
        On(PASS_FIELDS, stamps_field, order=10),
        On(PASS_FIELDS, points_field, order=20),
        On(PASS_FIELDS, holder_field, order=30),
    ),
    offers=(
        Offer(METER, "wallet_passes", WALLET_PASSES),
        Offer(OPERATOR_SIGN, "wallets", wallet_signs),
        *(Offer(MEASURE, name, measure) for name, measure in WALLET_MEASURES.items()),
        Offer(OUTPUT, "apple", OUTPUT_APPLE),
        Offer(OUTPUT, "google", GoogleOutput()),
        Offer(SEALED, "wallets.apple", SealedAppleKeys()),
        Offer(SEALED, "wallets.google", SEALED_ACCOUNTS),
        Offer(PERSONAL_DATA, "wallets", PERSONAL),
    ),
    resources=(prepare_google, prepare_roots, prepare_keys, prepare_pusher),
    jobs=(refresh_card, mark_program, check_google, check_apple, end_message),
    periodic=(warn_expiry,),
    pollers=(poll_marks,),
    settings=(
        GoogleCheck,
        AppleSetup,
        AppleCheck,
    ),
)

"""What other modules use of wallets: the refresh mark, the neutral view of a card, and what adds to it."""

from __future__ import annotations

from app.modules.wallets.apple_wallet.grounds import PATTERNS
from app.modules.wallets.google_wallet.images import css_over, ground_css
from app.modules.wallets.hooks import (
    CARDS_CHANGED,
    OUTPUT,
    PASS_FIELDS,
    PLACES,
    CardsChanged,
    Output,
    PassField,
)
from app.modules.wallets.logos import find_logo
from app.modules.wallets.marks import MARK_SQL, mark_changed
from app.modules.wallets.messages.rules import CardMessage
from app.modules.wallets.messages.service import send_wallet_message
from app.modules.wallets.overview.offered import offered_wallets
from app.modules.wallets.overview.queries import CardCounts, count_cards
from app.modules.wallets.own_icons import icon_url, own_icon, own_photo, owner_of
from app.modules.wallets.restored import AFTER_RESTORE
from app.modules.wallets.rules import (
    PALETTES,
    CardColors,
    CardReward,
    card_colors,
    card_text,
    readable_on,
)
from app.modules.wallets.sample import SampleCard, sample_card
from app.modules.wallets.service import mark_program_changed
from app.modules.wallets.view import (
    OWN_TEXTS,
    CardLocation,
    CardView,
    NextReward,
    card_view,
    own_texts,
)

__all__ = [
    "AFTER_RESTORE",
    "CARDS_CHANGED",
    "MARK_SQL",
    "OUTPUT",
    "OWN_TEXTS",
    "PALETTES",
    "PASS_FIELDS",
    "PATTERNS",
    "PLACES",
    "CardColors",
    "CardCounts",
    "CardLocation",
    "CardMessage",
    "CardReward",
    "CardView",
    "CardsChanged",
    "NextReward",
    "Output",
    "PassField",
    "SampleCard",
    "card_colors",
    "card_text",
    "card_view",
    "count_cards",
    "css_over",
    "find_logo",
    "ground_css",
    "icon_url",
    "mark_changed",
    "mark_program_changed",
    "offered_wallets",
    "own_icon",
    "own_photo",
    "own_texts",
    "owner_of",
    "readable_on",
    "sample_card",
    "send_wallet_message",
]

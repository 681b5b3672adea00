"""What other modules use of wallets: the refresh mark, the neutral view of a card, and what adds to it."""

from __future__ import annotations

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
from app.modules.wallets.rules import PALETTES, CardColors, CardReward, card_colors, readable_on
from app.modules.wallets.service import mark_program_changed
from app.modules.wallets.view import CardLocation, CardView, NextReward, card_view

__all__ = [
    "CARDS_CHANGED",
    "MARK_SQL",
    "OUTPUT",
    "PALETTES",
    "PASS_FIELDS",
    "PLACES",
    "CardColors",
    "CardLocation",
    "CardMessage",
    "CardReward",
    "CardView",
    "CardsChanged",
    "NextReward",
    "Output",
    "PassField",
    "card_colors",
    "card_view",
    "find_logo",
    "mark_changed",
    "mark_program_changed",
    "readable_on",
    "send_wallet_message",
]

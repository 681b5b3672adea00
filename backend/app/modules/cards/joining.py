"""Making a card for a request that a network may repeat: one key, one card."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.idempotency import claim_key, fingerprint_of, store_answer
from app.kernel.outcomes import Refusal
from app.modules.cards.access import card_token
from app.modules.cards.queries import find_card_exactly, parse_pass_id
from app.modules.cards.rules import is_unguessable
from app.modules.cards.service import CreatedCard, create_card
from app.modules.customers.public import CustomerDetails
from app.modules.stores.public import StoreView
from app.utils.security import Keyring


async def create_card_once(
    session: AsyncSession,
    store: StoreView,
    details: CustomerDetails,
    *,
    source: str,
    repeat: tuple[str, str] | None,
    now: datetime,
) -> CreatedCard | Refusal:
    """Make a card, or return the one that the same request made before.

    repeat: (who asks, their key). A card's token answers, and making a card asks for no credential: so a key
    counts only for whoever used it first, told apart by their address, or by our own secret in a form. Many people
    share an address (a shop's Wi-Fi): the token is repeated only for a key that nobody there can guess; for any
    other the repeat names the card without it.
    """
    if store.closed_at is not None:
        raise NotFound("store")
    if repeat is None:
        return await create_card(session, store, details, now=now, source=source)
    asker, key = repeat
    keyring = resources_of(session).get(Keyring)
    scope = f"join|{store.id}|{keyring.mac('lookup', 'join', asker).hex()[:24]}"
    claimed = await claim_key(
        session,
        store.merchant_id,
        scope=scope,
        key=key,
        fingerprint=fingerprint_of(keyring, asdict(details)),
        now=now,
    )
    if isinstance(claimed, Refusal):
        return claimed
    if claimed is not None:
        pass_id = parse_pass_id(str(claimed.answer["pass_id"]))
        card = await find_card_exactly(session, store.merchant_id, pass_id) if pass_id else None
        if card is None or card.status not in {"active", "blocked"}:
            raise NotFound("card")
        token = card_token(keyring, card) if is_unguessable(key) else ""
        return CreatedCard(card, token, known_email=False)
    made = await create_card(session, store, details, now=now, source=source)
    await store_answer(
        session, store.merchant_id, scope=scope, key=key, answer={"pass_id": str(made.card.id)}
    )
    return made

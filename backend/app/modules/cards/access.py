"""Who holds a card: tokens derived from the card, kept in one cookie of the device or carried by a link.

A token shows a card and its preferences and nothing else; earning and redeeming need staff. It is not stored:
it is an HMAC over the card and its token_version, so raising the version ends every copy at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.db.session import set_tenant
from app.dependencies import SessionDep
from app.kernel.adapters import resources_of
from app.kernel.errors import Unauthenticated
from app.kernel.web.cookies import delete_cookie, keyring_of, read_cookie, set_cookie
from app.modules.cards.queries import CardRef, find_card_exactly
from app.modules.cards.rules import (
    COOKIE_CARDS_MAX,
    TOKEN_MAC_BYTES,
    TokenParts,
    read_token,
    remember_token,
    write_token,
)
from app.utils.security import Keyring, same

CARDS_COOKIE = "cards"
TOKEN_PARAMETER = "t"  # noqa: S105 (the name of a query parameter)
# Browsers keep a cookie for 400 days at most; every visit renews it.
COOKIE_AGE = timedelta(days=400)
USABLE = frozenset({"active", "blocked"})


class TokenSubject(Protocol):
    """What a token is derived from: any view of a card that carries its version."""

    @property
    def id(self) -> UUID:
        """Return the pass id."""
        ...

    @property
    def merchant_id(self) -> UUID:
        """Return the tenant."""
        ...

    @property
    def token_version(self) -> int:
        """Return the version that a token must carry."""
        ...


def card_token(keyring: Keyring, card: TokenSubject) -> str:
    """Return the card's reusable token: it begins with the merchant, 160 bits of it are secret."""
    parts = (card.merchant_id, card.id, card.token_version)
    return write_token(TokenParts(*parts, _mac(keyring, *parts, key_version=None)))


def _mac(
    keyring: Keyring, merchant_id: UUID, pass_id: UUID, version: int, *, key_version: int | None
) -> bytes:
    mac = keyring.mac("token", "card", merchant_id, pass_id, str(version), version=key_version)
    return mac[:TOKEN_MAC_BYTES]


def open_card_token(keyring: Keyring, text: str) -> TokenParts | None:
    """Return what a token says when its mac is ours, or None. Whether it was revoked, the card knows."""
    parts = read_token(text)
    if parts is None:
        return None
    for key_version in keyring.versions("token"):
        expected = _mac(keyring, parts.merchant_id, parts.pass_id, parts.version, key_version=key_version)
        if same(expected, parts.mac):
            return parts
    return None


async def read_card_token(session: AsyncSession, text: str) -> CardRef | None:
    """Return the card that a token opens, or None; binds the transaction to its merchant.

    A merged card's token opens nothing: whoever made the duplicate need not own the mailbox of the other.
    """
    parts = open_card_token(resources_of(session).get(Keyring), text)
    if parts is None:
        return None
    await set_tenant(session, parts.merchant_id)
    card = await find_card_exactly(session, parts.merchant_id, parts.pass_id)
    if card is None or card.status not in USABLE or card.token_version != parts.version:
        return None
    return card


def cookie_tokens(request: Request) -> list[str]:
    """Return the tokens this device keeps that are ours, the last used card first."""
    texts = (read_cookie(request, CARDS_COOKIE) or "").split("~")[:COOKIE_CARDS_MAX]
    keyring = keyring_of(request)
    return [text for text in texts if open_card_token(keyring, text)]


def held_merchants(request: Request) -> list[UUID]:
    """Return the merchants whose cards this device keeps, the last used first."""
    parts = (read_token(text) for text in cookie_tokens(request))
    return list(dict.fromkeys(part.merchant_id for part in parts if part))


async def held_cards(request: Request, session: AsyncSession, merchant_id: UUID) -> list[CardRef]:
    """Return this merchant's cards that the device may open, the last used first."""
    cards: list[CardRef] = []
    for text in cookie_tokens(request):
        parts = read_token(text)
        if parts is None or parts.merchant_id != merchant_id:
            continue
        card = await read_card_token(session, text)
        if card is not None:
            cards.append(card)
    return cards


def remember_card(
    request: Request, response: Response, card: TokenSubject, *, behind_own: bool = False
) -> None:
    """Keep the card on this device, before all others it holds, of any merchant.

    behind_own: it came by a reusable link; then the cards that the device holds of this merchant stay first.
    """
    token = card_token(keyring_of(request), card)
    tokens = remember_token(cookie_tokens(request), token, behind_own=behind_own)
    set_cookie(request, response, CARDS_COOKIE, "~".join(tokens), max_age=COOKIE_AGE)


def forget_card(request: Request, response: Response, pass_id: UUID) -> None:
    """Drop the card from this device."""
    kept = [
        text for text in cookie_tokens(request) if (parts := read_token(text)) and parts.pass_id != pass_id
    ]
    if kept:
        set_cookie(request, response, CARDS_COOKIE, "~".join(kept), max_age=COOKIE_AGE)
    else:
        delete_cookie(request, response, CARDS_COOKIE)


def presented_tokens(request: Request) -> Iterable[str]:
    """Return what the request brings: the address first, then the cookie."""
    given = request.query_params.get(TOKEN_PARAMETER)
    return [*([given] if given else []), *cookie_tokens(request)]


async def find_held_card(session: AsyncSession, pass_id: UUID, *, tokens: Iterable[str]) -> CardRef | None:
    """Return the card with this id when one of the tokens opens it."""
    keyring = resources_of(session).get(Keyring)
    for text in tokens:
        parts = open_card_token(keyring, text)
        if parts is not None and parts.pass_id == pass_id:
            card = await read_card_token(session, text)
            if card is not None:
                return card
    return None


async def get_card_holder(pass_id: UUID, request: Request, session: SessionDep) -> CardRef:
    """Return the card of the address when the caller holds it; raises Unauthenticated.

    The answer is the same for an unknown id and for somebody else's: an id is not a credential.
    """
    card = await find_held_card(session, pass_id, tokens=presented_tokens(request))
    if card is None:
        raise Unauthenticated
    return card


CardHolderDep = Annotated[CardRef, Depends(get_card_holder)]


async def get_cookie_holder(pass_id: UUID, request: Request, session: SessionDep) -> CardRef:
    """Return the card of the address when this device keeps it; raises Unauthenticated. For forms."""
    card = await find_held_card(session, pass_id, tokens=cookie_tokens(request))
    if card is None:
        raise Unauthenticated
    return card


DeviceCardDep = Annotated[CardRef, Depends(get_cookie_holder)]


def tokens_for(keyring: Keyring, cards: Sequence[TokenSubject]) -> list[str]:
    """Return the tokens of several cards, for links."""
    return [card_token(keyring, card) for card in cards]

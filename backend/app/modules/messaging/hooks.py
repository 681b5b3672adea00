"""What messaging asks of modules above it before it sends marketing mail, and what it tells them afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Keyed, Tell


@dataclass(frozen=True, slots=True)
class MailCheck:
    """A marketing mail that is about to leave. complained_at: when this address last reported a mail as spam."""

    session: AsyncSession
    merchant_id: UUID
    customer_id: UUID
    kind: str
    recipient: str
    complained_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class MailTurn:
    """A marketing mail that may leave, if it is a good moment for its reader."""

    session: AsyncSession
    merchant_id: UUID
    customer_id: UUID
    kind: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Whole addresses. page: for a person to open. one_click: takes the POST of RFC 8058 without any cookie."""

    page: str
    one_click: str


@dataclass(frozen=True, slots=True)
class MailComplained:
    """A reader reported a mail as spam."""

    session: AsyncSession
    merchant_id: UUID
    customer_id: UUID
    now: datetime
    modules_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WordingAsk:
    """A service mail is about to be written. facts: what the shop's words may name, such as name and shop."""

    session: AsyncSession
    merchant_id: UUID
    kind: str
    locale: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OwnWords:
    """A shop's own subject and text, filled in. The link and what the law asks for are added by who sends."""

    subject: str
    text: str


# Asked in the transaction that takes a marketing mail for sending; a code is the reason not to send it. Where nobody
# guards, nothing is sent.
MAIL_GUARD: Keyed[Callable[[MailCheck], Awaitable[str | None]]] = Keyed(
    "MAIL_GUARD", about="May stop a marketing mail at the moment it is sent: consent, confirmed address."
)
# Called with a mail about to leave; a moment keeps it back until then.
MAIL_WAIT: Keyed[Callable[[MailTurn], Awaitable[datetime | None]]] = Keyed(
    "MAIL_WAIT", about="May keep a marketing mail back for a while at the moment it is sent: quiet hours."
)
# Called with (session, merchant id, customer id); the first offer counts. Without one, marketing mail is not sent.
UNSUBSCRIBE: Keyed[Callable[[AsyncSession, UUID, UUID], Awaitable[Unsubscribe | None]]] = Keyed(
    "UNSUBSCRIBE", about="The addresses by which a customer ends marketing mail, for every such mail."
)
# Called with a mail about to be written by itself; False: this person had their message of the week. True takes it.
MAIL_SLOT: Keyed[Callable[[MailTurn], Awaitable[bool]]] = Keyed(
    "MAIL_SLOT", about="Whether a customer may be written to this week by something that goes by itself."
)
# Offered under the kind of a message that goes by itself: the name of the feature that writes it, while it is on.
MAIL_INSTEAD: Keyed[str] = Keyed(
    "MAIL_INSTEAD",
    about="The feature that writes a kind of message in place of the plain one, while it is on.",
)
# The first words that are not None count; the sender has its own where nobody offers any.
MAIL_WORDING: Keyed[Callable[[WordingAsk], Awaitable[OwnWords | None]]] = Keyed(
    "MAIL_WORDING", about="A shop's own words for a service mail, in its reader's language."
)
MAIL_COMPLAINED: Tell[MailComplained] = Tell("MAIL_COMPLAINED", about="A reader reported a mail as spam.")


async def find_own_words(ask: WordingAsk) -> OwnWords | None:
    """Return a shop's own words for a service mail, or None."""
    for _name, offer in MAIL_WORDING.items():
        if (words := await offer(ask)) is not None:
            return words
    return None


async def quiet_until(turn: MailTurn) -> datetime | None:
    """Return until when a customer is to be left in peace, or None: now is as good as any moment."""
    moments = [await keeper(turn) for _name, keeper in MAIL_WAIT.items()]
    return max((moment for moment in moments if moment is not None), default=None)


async def take_slot(turn: MailTurn) -> bool:
    """Take a customer's message of the week for one that goes by itself; False where it is taken."""
    for _name, offer in MAIL_SLOT.items():
        if not await offer(turn):
            return False
    return True


def written_instead(kind: str, modules_on: Collection[str]) -> str | None:
    """Return the feature that writes this kind of message for a merchant with these features, or None."""
    feature = dict(MAIL_INSTEAD.items()).get(kind)
    return feature if feature in modules_on else None

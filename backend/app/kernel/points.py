"""Extension points of the surfaces. They are declared below the features, which contribute and may not import them.

A point that belongs to a foundation module is declared in that module's public.py; docs/hooks.md lists all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Collect, Keyed
from app.kernel.permissions import Principal
from app.kernel.reports import ReportView


@dataclass(frozen=True)
class PageContext:
    """What a contribution to a dashboard page gets: the tenant transaction, who looks, and what is on."""

    session: AsyncSession
    principal: Principal
    now: datetime
    modules_on: frozenset[str] = frozenset()
    subject_id: UUID | None = None


@dataclass(frozen=True)
class NavItem:
    """A line of the dashboard's navigation. label: a msg() text. permission: hidden without it.

    search: a msg() text; the page lists what a search for ?q=… finds, and the frame offers that on every page.
    """

    label: str
    url: str
    icon: str
    permission: str
    order: int = 100
    section: str = ""
    search: str = ""


@dataclass(frozen=True)
class Tile:
    """A figure on the dashboard's home. value: already formatted. note: one line beneath."""

    label: str
    value: str
    note: str = ""
    url: str = ""
    order: int = 100


@dataclass(frozen=True)
class Panel:
    """A block on a page, rendered from a template of the contributing module."""

    title: str
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    order: int = 100


@dataclass(frozen=True)
class CardContext:
    """What a contribution to a card gets: the card's plain state (cards.public.CardState) and the tenant session."""

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    locale: str
    now: datetime
    modules_on: frozenset[str] = frozenset()


NAV_ITEM: Collect[PageContext, NavItem] = Collect("NAV_ITEM", about="Lines of the dashboard's navigation.")
HOME_BLOCK: Collect[PageContext, Panel] = Collect(
    "HOME_BLOCK",
    about="Blocks on the dashboard's home; those of an order below 100 stand above the live feed.",
)
HOME_TILE: Collect[PageContext, Tile] = Collect("HOME_TILE", about="Figures on the dashboard's home.")
CUSTOMER_PANEL: Collect[PageContext, Panel] = Collect(
    "CUSTOMER_PANEL", about="Blocks on a customer's profile; subject_id is the customer."
)
STORE_SETTINGS: Collect[PageContext, Panel] = Collect(
    "STORE_SETTINGS", about="Blocks on a store's settings page; subject_id is the store."
)
CARD_BLOCK: Collect[CardContext, Panel] = Collect(
    "CARD_BLOCK", about="Blocks on the customer's card page; those of an order below 0 stand above the card."
)


@dataclass(frozen=True)
class TillContext:
    """A card in front of the staff, in an open shift of a store's device."""

    session: AsyncSession
    merchant_id: UUID
    store_id: UUID
    pass_id: UUID
    now: datetime
    modules_on: frozenset[str] = frozenset()


# Short: staff read it in a queue. Forms in it post to the contributing module's own routes below /staff.
TILL_PANEL: Collect[TillContext, Panel] = Collect(
    "TILL_PANEL", about="Blocks beside a card on the staff device: what staff should know, or can do."
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a module keeps something of people, for the record of processing (Art. 30 GDPR).

    why, kept: msg() texts; an empty kept is until the person is erased. ground: contract, consent, interest or duty.
    goes_to: a msg() text where others get some of it: who, and what (Art. 13(1)(e) and 30(1)(d)); the privacy notice
    says it, too, while the feature is on.
    """

    why: str
    ground: str = "contract"
    kept: str = ""
    goes_to: str = ""


@dataclass(frozen=True)
class PersonalData:
    """How a module exports and erases what it knows about a customer (promises.md 4).

    tables: every table of the module with a personal or pseudonym column that this handler covers.
    purpose: why it is kept. holds: by table.column, the kind of what a column holds where its name does not say it
    (the kinds of privacy/processing/words.py). The foundation's own stand in the record itself.
    """

    tables: tuple[str, ...]
    export: Callable[[AsyncSession, UUID, UUID], Awaitable[Mapping[str, object]]]
    erase: Callable[[AsyncSession, UUID, UUID], Awaitable[None]]
    purpose: Purpose | None = None
    holds: Mapping[str, str] = field(default_factory=dict)


# Called with (session, merchant id, customer id) in a tenant transaction.
PERSONAL_DATA: Keyed[PersonalData] = Keyed(
    "PERSONAL_DATA", about="Export and erasure of what a module knows."
)


# Called with (session, merchant id, a card's logo_url) in a tenant transaction; None: not a picture of this module.
# Whoever keeps logos offers its bytes here, already cleaned (kernel.web.uploads).
LOGO: Keyed[Callable[[AsyncSession, UUID, str], Awaitable[bytes | None]]] = Keyed(
    "LOGO", about="The bytes of the logo that a card names, for wallets that carry pictures along."
)


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """A column of an export. name: of the query's column. title: a msg() text.

    kind: text (what people typed, made safe for spreadsheets), id (ids, words and switches of our own), count, day,
    money (minor units of the merchant's currency) or moment (shown by the merchant's clock).
    """

    name: str
    title: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Exporter:
    """A table a merchant can download. title, about: msg() texts.

    query: one SELECT whose only parameter is $1, the merchant, in the order that the file has; counting: how many rows
    it gives. Rows are copied by the database itself, so that any number of them costs no memory. personal: it holds
    what people told about themselves.
    """

    title: str
    about: str
    permission: str
    query: str
    counting: str
    columns: tuple[ExportColumn, ...]
    personal: bool = False
    order: int = 100


EXPORTER: Keyed[Exporter] = Keyed("EXPORTER", about="Tables a merchant can download.")


REPORT_VIEW: Keyed[ReportView] = Keyed("REPORT_VIEW", about="Pages of figures in the dashboard.")


@dataclass(frozen=True, slots=True)
class SeenVisit:
    """A visit as rules about misuse see it. staff_id: None for a shared PIN or an integration."""

    id: UUID
    at: datetime
    store_id: UUID
    pass_id: UUID
    staff_id: UUID | None
    given_by: str


@dataclass(frozen=True)
class VisitScan:
    """What a rule about misuse looks at: a merchant's newest visits, in its tenant transaction, some minutes later."""

    session: AsyncSession
    merchant_id: UUID
    visits: Sequence[SeenVisit]
    now: datetime


@dataclass(frozen=True)
class Suspicion:
    """Something odd that a rule saw.

    key: the same for the same thing seen again. visits: the events behind it, oldest first. least: so many new ones
    make it worth a look again after somebody has decided on it.
    """

    key: str
    visits: Sequence[SeenVisit]
    least: int = 1
    store_id: UUID | None = None
    staff_id: UUID | None = None
    pass_id: UUID | None = None


@dataclass(frozen=True)
class FraudRule:
    """A rule about misuse. title, about: msg() texts. urgent: a new finding is worth a mail.

    key_days: called with (session, merchant id) where a finding's key says something about a person; after so many
    days the finding forgets it.
    """

    title: str
    about: str
    find: Callable[[VisitScan], Awaitable[Sequence[Suspicion]]]
    urgent: bool = False
    key_days: Callable[[AsyncSession, UUID], Awaitable[int]] | None = None


FRAUD_RULE: Keyed[FraudRule] = Keyed("FRAUD_RULE", about="What looks for misuse in the newest visits.")


# Called with (session, merchant id, pass id, pass id) in a tenant transaction. Who knows devices answers by them, and
# says no while switched off. Asked about a friend who may be oneself; next about own cards of the staff (fraud).
SAME_DEVICE: Keyed[Callable[[AsyncSession, UUID, UUID, UUID], Awaitable[bool]]] = Keyed(
    "SAME_DEVICE", about="Whether two cards were used on one device."
)


@dataclass(frozen=True)
class DemoShop:
    """A demo merchant just made, in its tenant transaction, before the commit.

    stores: name to id. random: seeded, so that the demo is the same each time. now: where its year ends.
    """

    session: AsyncSession
    merchant_id: UUID
    stores: Mapping[str, UUID]
    card_ids: Sequence[UUID]
    random: Random
    now: datetime


# Called by the demo loader for each demo merchant, in the order of INSTALLED.
DEMO_DATA: Keyed[Callable[[DemoShop], Awaitable[None]]] = Keyed(
    "DEMO_DATA", about="What a module adds to the demo shops."
)

"""What a customer's pages show, and the forms on them."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import AUDIT_ACTION
from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.kernel.points import CUSTOMER_PANEL, PageContext
from app.kernel.web.shell import page_context_of, render_panels
from app.modules.accounts.public import list_team
from app.modules.crm.listing import PersonCard
from app.modules.crm.presenting import URL
from app.modules.crm.profile.timeline import Event
from app.modules.crm.rules import POINTS_MAX, REASONS, STAMPS_MAX
from app.modules.customers.public import NOTE_LENGTH_MAX, Birthday, CustomerDetails, CustomerView, list_notes
from app.modules.rewards.public import GIFT_REASON
from app.modules.visits.public import ShownLine, explain_visit
from app.utils.id_generator import new_id
from app.utils.validators import Locale, OptionalEmail, OptionalLine, OptionalPhone, Text

MAIL_WORDS = {
    "card_link": msg("Link to the card"),
    "no_card": msg("Answer that there is no card"),
    "sent": msg("sent"),
    "waiting": msg("waiting"),
    "sending": msg("waiting"),
    "failed": msg("could not be delivered"),
    "suppressed": msg("not sent"),
}
SOURCE_WORDS = {
    "join_page": msg("on the page to join"),
    "card_page": msg("on the card's page"),
    "dashboard": msg("told to the shop"),
    "import": msg("stated with an import"),
    "joined_card": msg("with a joined card"),
    "staff_device": msg("on the staff device"),
}
REASON_WORDS = {**REASONS, "import": msg("Brought by an import"), "import_undone": msg("Import taken back")}


class CorrectionForm(BaseModel):
    """A correction by hand, as typed."""

    pass_id: UUID
    reason: Annotated[str, Field(pattern=f"^({'|'.join(REASONS)})$")]
    stamps: Annotated[int, Field(ge=-STAMPS_MAX, le=STAMPS_MAX)] = 0
    points: Annotated[int, Field(ge=-POINTS_MAX, le=POINTS_MAX)] = 0
    note: Annotated[Text, Field(max_length=NOTE_LENGTH_MAX)] = ""
    force: bool = False


class DetailsForm(BaseModel):
    """What is known of a customer, as typed."""

    name: OptionalLine = None
    email: OptionalEmail = None
    phone: OptionalPhone = None
    locale: Locale = "en"

    def to_details(self, birthday: Birthday | None) -> CustomerDetails:
        """Return it for the use case."""
        return CustomerDetails(self.name, self.email, self.phone, birthday, self.locale)


class NoteForm(BaseModel):
    """A note, as typed."""

    text: Annotated[Text, Field(min_length=1, max_length=NOTE_LENGTH_MAX)]


def person_title(customer: CustomerView) -> str:
    """Return what a customer is called at the top of a page."""
    if customer.erased_at is not None:
        return _("Deleted customer")
    return customer.name or customer.email or customer.phone or _("A customer without a name")


def person_url(customer_id: UUID) -> str:
    """Return the address of a customer's page."""
    return f"{URL}/{customer_id}"


def frame(customer: CustomerView, title: str) -> dict[str, Any]:
    """Return what the pages below a customer's begin with."""
    return {
        "page_title": title,
        "back_url": person_url(customer.id),
        "back_label": person_title(customer),
        "customer": customer,
        "base": person_url(customer.id),
        "idempotency_key": new_id(),
    }


def describe(event: Event) -> dict[str, Any]:
    """Return an event as the timeline shows it: a title, signed amounts, and the small print."""
    small: list[str] = []
    title, word = event.title, event.word or ""
    if event.kind in {"adjust", "transfer", "expire"} and word:
        small.append(_(REASON_WORDS[word]) if word in REASON_WORDS else "")
    if event.kind == "gift":
        said = GIFT_REASON.find(word)
        title = _(said) if said else title
        small.append(_("taken back") if event.stamps + event.points < 0 else "")
    if event.kind in {"reward", "reward_undone"} and event.what:
        title = f"{title}: {event.what}"
    if event.kind == "mail":
        title = _(MAIL_WORDS[event.what]) if event.what in MAIL_WORDS else title
        small.append(_(MAIL_WORDS.get(word, msg("waiting"))))
    if event.kind in {"agreed", "withdrew"}:
        small += [f"“{event.what}”", _(SOURCE_WORDS[word]) if word in SOURCE_WORDS else ""]
    if event.kind == "change":
        said = AUDIT_ACTION.find(event.what or "")
        title = _(said) if said else title
    if event.kind in {"undone", "reward_undone"}:
        small.append(word)
    if event.amount_minor is not None and event.currency:
        small.insert(0, current().format_money(Money(event.amount_minor, event.currency)))
    small += [event.place or "", _given_by(event.who)]
    return {
        "icon": event.icon,
        "title": title,
        "at": event.at,
        "gone": event.gone,
        "small": " · ".join(part for part in small if part),
        "why": _why(event),
        "stamps": _signed(event.stamps),
        "points": _signed(event.points),
    }


def _why(event: Event) -> list[ShownLine]:
    """Return the rules' parts in what a visit gave, where there were several."""
    if event.kind != "visit" or not event.what:
        return []
    return explain_visit(json.loads(event.what), points=event.points, currency=event.currency or "")


def _given_by(who: str | None) -> str:
    words = {
        "member": _("in the dashboard"),
        "shared_pin": _("the shared PIN"),
        "api_key": _("an integration"),
        "device": _("on the staff device"),
        "pin": "",
    }
    return words.get(who or "", who or "")


def _signed(amount: int) -> str:
    if not amount:
        return ""
    number = current().format_number(abs(amount))
    return f"+{number}" if amount > 0 else f"−{number}"


async def notes_of(session: AsyncSession, customer: CustomerView) -> list[dict[str, Any]]:
    """Return the notes about a customer with their authors' names."""
    team = {row.id: row.name or row.email for row in (await list_team(session, customer.merchant_id)).members}
    return [
        {
            "id": note.id,
            "text": note.text,
            "at": note.at,
            "author": team.get(note.author_id or UUID(int=0), ""),
        }
        for note in await list_notes(session, customer.merchant_id, customer.id)
    ]


async def panels_of(request: Request, session: AsyncSession, customer_id: UUID) -> list[dict[str, Any]]:
    """Return what other modules show of a customer."""
    page = page_context_of(request, session)
    page = PageContext(session, page.principal, page.now, page.modules_on, subject_id=customer_id)
    return render_panels(request, await CUSTOMER_PANEL.gather(page))


def merge_balances(source: list[PersonCard], target: list[PersonCard]) -> list[dict[str, Any]]:
    """Return what the cards hold after a merge, one line for each programme."""
    kept = {card.program_id: card for card in target}
    lines: dict[UUID, dict[str, Any]] = {}
    for card in [*target, *source]:
        line = lines.setdefault(
            card.program_id,
            {"program": card.program_name, "card": kept.get(card.program_id, card), "stamps": 0, "points": 0},
        )
        line["stamps"] += card.stamp_count
        line["points"] += card.points_balance
        line["joins"] = card.program_id in kept
    return list(lines.values())

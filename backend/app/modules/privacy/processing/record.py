"""The record of processing (Art. 30 GDPR), made from the marks of the columns: what is not marked fails the build."""

from __future__ import annotations

from dataclasses import dataclass

from app.db.base import Base
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import PERSONAL_DATA, PersonalData
from app.modules.privacy.processing.words import describe

_CONTRACT = msg("Contract: the loyalty card (Art. 6(1)(b) GDPR)")
_CONSENT = msg("Consent (Art. 6(1)(a) GDPR)")
_INTEREST = msg("Legitimate interest: preventing misuse, counting (Art. 6(1)(f) GDPR)")
_DUTY = msg("Legal duty to prove consents (Art. 7(1) GDPR)")
_UNTIL_ERASED = msg("until the customer is erased")

GROUNDS = {"contract": _CONTRACT, "consent": _CONSENT, "interest": _INTEREST, "duty": _DUTY}

# By module: why it is there, on what ground, how long. Others say it with their handler (PersonalData.purpose); who
# says it nowhere fails the build.
PURPOSES: dict[str, tuple[str, str, str]] = {
    "customers": (msg("Knowing whom a card belongs to; proof of consents"), _CONTRACT, _UNTIL_ERASED),
    "cards": (msg("Running the card: stamps, points, rewards"), _CONTRACT, _UNTIL_ERASED),
    "wallets": (msg("Showing the card in Apple Wallet and Google Wallet"), _CONTRACT, _UNTIL_ERASED),
    "messaging": (
        msg("Mails that were asked for or agreed to"),
        _CONSENT,
        msg("texts for some weeks, then only that one was sent"),
    ),
    "crm": (msg("Serving customers: corrections, notes, imports"), _CONTRACT, _UNTIL_ERASED),
    "nudges": (msg("Reminders and promotions"), _CONSENT, _UNTIL_ERASED),
    "fraud": (msg("Finding misuse at the till"), _INTEREST, _UNTIL_ERASED),
    "fingerprints": (
        msg("Noticing one phone that collects on several cards"),
        _INTEREST,
        msg("as long as set under Unusual visits"),
    ),
    "analytics": (msg("Counting visits and rewards"), _INTEREST, msg("sums without names stay")),
    "exports": (msg("Downloads made by the shop"), _CONTRACT, msg("seven days")),
    "privacy": (
        msg("Answering requests of customers"),
        _DUTY,
        msg("that one was made: for as long as the shop exists"),
    ),
}


def purpose_of(module: str, handler: PersonalData) -> tuple[str, str, str] | None:
    """Return why a module keeps something of people, on what ground and how long; None where nobody said it."""
    if handler.purpose is None:
        return PURPOSES.get(module)
    said = handler.purpose
    return said.why, GROUNDS[said.ground], said.kept or _UNTIL_ERASED


@dataclass(frozen=True, slots=True)
class Processing:
    """One activity. holds, points: in words; personal, pseudonyms: the same as table.column, for who looks it up.

    goes_to: who else gets some of it, or nothing.
    """

    module: str
    purpose: str
    ground: str
    kept: str
    goes_to: str
    holds: tuple[str, ...]
    points: tuple[str, ...]
    personal: tuple[str, ...]
    pseudonyms: tuple[str, ...]


def make_record() -> list[Processing]:
    """Return every activity with a customer's data, module by module, in the reader's language."""
    record = []
    for name, handler in PERSONAL_DATA.items():
        purpose, ground, kept = purpose_of(name, handler) or PURPOSES["cards"]
        columns = [
            (table, column.name, column.info.get("privacy"))
            for table in handler.tables
            for column in Base.metadata.tables[table].columns
        ]
        personal = [(table, column) for table, column, mark in columns if mark in {"personal", "sealed"}]
        pseudonyms = [(table, column) for table, column, mark in columns if mark in {"pseudonym", "secret"}]
        record.append(
            Processing(
                module=name,
                purpose=_(purpose),
                ground=_(ground),
                kept=_(kept),
                goes_to=_(handler.purpose.goes_to) if handler.purpose and handler.purpose.goes_to else "",
                holds=describe(personal),
                points=describe(pseudonyms),
                personal=tuple(".".join(one) for one in personal),
                pseudonyms=tuple(".".join(one) for one in pseudonyms),
            )
        )
    return record

"""How long what is kept, and which job sees to it: what the privacy page says, held against the jobs by a test."""

from __future__ import annotations

from dataclasses import dataclass

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg


@dataclass(frozen=True, slots=True)
class KeepingRule:
    """One rule of retention. job: the periodic job that carries it out. what, kept: msg() texts."""

    job: str
    what: str
    kept: str


RULES = (
    KeepingRule(
        "messaging.blank_old_content",
        msg("Words and addresses of mails"),
        msg("30 days; then only that one was sent"),
    ),
    KeepingRule("cards.sweep_links", msg("Links in mails to cards"), msg("seven days after they end")),
    KeepingRule("exports.forget", msg("Files that were downloaded"), msg("seven days")),
    KeepingRule(
        "fingerprints.sweep",
        msg("Marks of phones, where that is switched on"),
        msg("as long as set under Unusual visits"),
    ),
    KeepingRule("staff.sweep_attempts", msg("Wrong PINs"), msg("as long as they count towards a limit")),
    KeepingRule("accounts.sweep", msg("Ended sign-ins of the team"), msg("90 days at most")),
)


def list_keeping() -> list[tuple[str, str]]:
    """Return what is kept and for how long, in the reader's language."""
    return [(_(rule.what), _(rule.kept)) for rule in RULES]

"""The line on a pass that carries what the shop says."""

from __future__ import annotations

from collections.abc import Sequence

from app.kernel.i18n import current
from app.modules.wallets.hooks import PassField
from app.modules.wallets.messages.rules import CardMessage

MESSAGE_KEY = "message"


def message_field(messages: Sequence[CardMessage]) -> PassField:
    """Return the newest message, on the back, where a change of it is announced.

    The line is always there: a phone announces a value that changes, not a new line. With nothing to say it
    carries no change message, so that the end of a message passes in silence.
    """
    if not messages:
        speak = current()
        quiet = speak.gettext("Nothing new at the moment")
        return PassField(MESSAGE_KEY, speak.gettext("News"), quiet, place="back", order=5)
    newest = messages[0]
    return PassField(MESSAGE_KEY, newest.header, newest.body, "%@", place="back", order=5)

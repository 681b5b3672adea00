"""How many of a worker's places each kind of job may hold, so that one shop's large work keeps nobody waiting. Pure.

Prompt is what somebody waits for: a stamped card's wallets, a sign-in's mail. Patient is what may wait: campaigns,
rounds of the calendar. Calling waits for programs that anybody may have written. Long is a file of a million rows, an
import, figures counted anew: a place for minutes. Each kind leaves places to the others, and no merchant holds all
places of the long ones.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Literal
from uuid import UUID

from app.kernel.jobs.definition import Job

Kind = Literal["prompt", "patient", "calling", "long"]
# In the order in which they are asked for work.
KINDS: tuple[Kind, ...] = ("prompt", "patient", "calling", "long")
PLACES = 10
PROMPT_PLACES = 8
# Patient, calling and long together: five are left for what somebody waits for.
WAITING_PLACES = 5
# However many programs answer slowly, two are left for campaigns, the calendar and files.
CALLING_PLACES = 3
LONG_PLACES = 3
LONG_PLACES_OF_A_MERCHANT = 2
LONG = timedelta(minutes=10)


def kind_of(definition: Job, *, is_periodic: bool) -> Kind:
    """Return a job's kind; a turn of the calendar is patient, however long: it waits for no file."""
    if is_periodic:
        return "patient"
    if definition.timeout >= LONG:
        return "long"
    if definition.calls_strangers:
        return "calling"
    return "patient" if definition.priority < 0 else "prompt"


class Places:
    """Who holds which places of one worker."""

    def __init__(self) -> None:
        self._holders: dict[int, tuple[Kind, UUID | None]] = {}

    def take(self, job_id: int, kind: Kind, merchant_id: UUID | None) -> None:
        """Give a job a place."""
        self._holders[job_id] = (kind, merchant_id)

    def give_back(self, job_id: int) -> None:
        """Free a job's place."""
        self._holders.pop(job_id, None)

    def room(self, kind: Kind) -> int:
        """Return how many more of a kind may begin."""
        held = Counter(kind for kind, _merchant in self._holders.values())
        free = PLACES - held.total()
        if kind == "prompt":
            return min(free, PROMPT_PLACES - held["prompt"])
        free = min(free, WAITING_PLACES - held["patient"] - held["calling"] - held["long"])
        if kind == "calling":
            return min(free, CALLING_PLACES - held["calling"])
        return min(free, LONG_PLACES - held["long"]) if kind == "long" else free

    def is_share_used(self, kind: Kind, merchant_id: UUID | None) -> bool:
        """Tell whether a merchant holds all places for long work that are its share."""
        mine = sum(holder == ("long", merchant_id) for holder in self._holders.values())
        return kind == "long" and merchant_id is not None and mine >= LONG_PLACES_OF_A_MERCHANT

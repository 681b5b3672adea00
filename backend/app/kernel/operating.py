"""What modules tell the operator of an installation: signs that something needs a look or a hand, and figures.

Both are asked while a page or /metrics is being answered: a few short statements in scopes of their own, no outside
call, and nothing about a person or a shop's business. A sign's words may name a shop by its id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.kernel.hooks import Keyed

if TYPE_CHECKING:
    from app.config import Settings
    from app.db.session import Database
    from app.kernel.adapters import Resources


@dataclass(frozen=True)
class Look:
    """What whoever looks is given."""

    database: Database
    settings: Settings
    resources: Resources
    now: datetime


@dataclass(frozen=True)
class Sign:
    """One line of the operator's overview. level: ok, look (soon) or act (now). Texts are already translated.

    title: what was looked at. text: what was seen, and what to do. url: where more about it stands.
    """

    level: str
    title: str
    text: str
    url: str = ""
    order: int = 100


@dataclass(frozen=True)
class Measure:
    """A figure of /metrics that is read from the database. about: one sentence, in English. labels: their names.

    read: returns the values by their labels' values; labels are kinds and states, never ids.
    """

    about: str
    read: Callable[[Look], Awaitable[Mapping[tuple[str, ...], float]]]
    labels: tuple[str, ...] = ()


OPERATOR_SIGN: Keyed[Callable[[Look], Awaitable[Sequence[Sign]]]] = Keyed(
    "OPERATOR_SIGN", about="What the operator of the installation should know of."
)

# The key is the metric's name: stempel_<what>_<unit>.
MEASURE: Keyed[Measure] = Keyed("MEASURE", about="Figures of /metrics that are read from the database.")

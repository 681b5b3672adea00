"""JSON in and out of webhooks, and the shape of what is told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.kernel.outgoing.addresses import URL_LENGTH_MAX
from app.modules.webhooks.deliveries import Line
from app.modules.webhooks.endpoints import Draft
from app.modules.webhooks.models import WebhookAttempt, WebhookEndpoint
from app.modules.webhooks.rules import EVENTS
from app.utils.validators import Line as LineText

EventName = Annotated[str, StringConstraints(max_length=40)]


class EndpointRequest(BaseModel):
    """Where to tell, and what."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=URL_LENGTH_MAX)] = (
        Field(examples=["https://till.example.com/stempel"])
    )
    events: Annotated[list[EventName], Field(min_length=1, max_length=len(EVENTS))] = Field(
        examples=[["visit.given", "reward.redeemed"]]
    )
    about: LineText = Field("", examples=["Web shop"])

    def draft(self) -> Draft:
        """Return what the use cases take."""
        return Draft(self.url, tuple(self.events), self.about)


class Nothing(BaseModel):
    """A form that is a button only."""


class SwitchRequest(BaseModel):
    """On or off."""

    model_config = ConfigDict(extra="forbid")

    is_on: bool


class RedeliverRequest(BaseModel):
    """Which to send again."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: UUID | None = Field(None, description="One delivery; left out: all that failed.")


class EndpointRow(BaseModel):
    """An address as it is listed: never its secret."""

    id: UUID
    url: str
    about: str
    events: list[str]
    is_on: bool
    off_reason: str = Field(description="member, gone (it answered 410), failing (five days), or empty.")
    failures: int = Field(description="Tries that failed in a row, over all deliveries.")
    failing_since: datetime | None
    reached_at: datetime | None = Field(description="When it last took an event.")
    before_until: datetime | None = Field(description="Until then the secret before the last signs, too.")
    created_at: datetime

    @classmethod
    def from_row(cls, row: WebhookEndpoint) -> EndpointRow:
        """Return the answer for a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class EndpointMade(EndpointRow):
    """A new address, or one with a new secret, which is shown this once."""

    secret: str = Field(examples=["whsec_…"])


class EndpointList(BaseModel):
    """All addresses."""

    endpoints: list[EndpointRow]


class DeliveryRow(BaseModel):
    """An event for an address."""

    id: UUID
    event_id: UUID = Field(description="The webhook-id header: the same each time it is sent.")
    type: str
    happened_at: datetime
    status: str = Field(description="waiting, delivered or failed.")
    attempts: int
    next_at: datetime | None
    last_status: int | None
    error: str = Field(
        description="timeout, unreachable, address, redirect, answer, gone, late, off, or empty."
    )
    finished_at: datetime | None

    @classmethod
    def from_line(cls, line: Line) -> DeliveryRow:
        """Return the answer for a line of the log."""
        one, event = line.delivery, line.event
        waits = one.status == "waiting"
        return cls(
            id=one.id,
            event_id=event.id,
            type=event.type,
            happened_at=event.at,
            status=one.status,
            attempts=one.attempts,
            next_at=one.next_at if waits else None,
            last_status=one.last_status,
            error=one.error,
            finished_at=one.finished_at,
        )


class DeliveryPage(BaseModel):
    """A page of the log, newest first."""

    deliveries: list[DeliveryRow]
    before: UUID | None = Field(description="Ask with this for the next page.")


class AttemptRow(BaseModel):
    """One try."""

    at: datetime
    status: int | None
    error: str
    milliseconds: int
    answer: str = Field(description="How the answer began.")

    @classmethod
    def from_row(cls, row: WebhookAttempt) -> AttemptRow:
        """Return the answer for a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class DeliveryAnswer(DeliveryRow):
    """A delivery with its payload and tries."""

    payload: dict[str, Any]
    tries: list[AttemptRow]


class SentAgain(BaseModel):
    """How many will be sent again."""

    count: int


class TestSent(BaseModel):
    """A test on its way."""

    delivery_id: UUID


class EventKind(BaseModel):
    """Something that can be told."""

    type: str
    about: str
    example: dict[str, Any] = Field(description="The whole body of such an event.")


class EventKinds(BaseModel):
    """Everything that can be told."""

    events: list[EventKind]

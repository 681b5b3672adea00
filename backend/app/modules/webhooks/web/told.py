"""What another program is sent, for the documentation of the API: a callback of the address it gave."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Header
from pydantic import BaseModel, Field

from app.modules.webhooks.rules import EVENTS
from app.modules.webhooks.words import EVENT_WORDS, example_of

callbacks = APIRouter()

EXAMPLES: Any = {name: {"summary": EVENT_WORDS[name], "value": example_of(name)} for name in EVENTS}


class Told(BaseModel):
    """Something that happened."""

    id: UUID = Field(description="The same each time the event is sent; also the header webhook-id.")
    type: str = Field(description="What happened; names may be added, and none changes its meaning.")
    timestamp: datetime = Field(description="When it happened.")
    version: Literal[1] = Field(description="Of this shape; fields may be added within a version.")
    data: dict[str, Any] = Field(description="Ids and figures.")


@callbacks.post("{$request.body#/url}", status_code=204)
def post_event(
    body: Annotated[Told, Body(openapi_examples=EXAMPLES)],
    webhook_id: Annotated[str, Header(description="The event; take each one once.")],
    webhook_timestamp: Annotated[str, Header(description="When it was sent, in seconds since 1970.")],
    webhook_signature: Annotated[str, Header(description="v1,… for each secret that is good now.")],
) -> None:
    """Tell that something happened; any 2xx within 15 seconds means that it arrived."""

"""JSON in and out of the team."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from app.modules.accounts.models import Member, MemberInvitation
from app.modules.accounts.schemas import Password, Strict, Token
from app.modules.accounts.team.queries import TeamMember
from app.modules.accounts.team.service import Place
from app.utils.validators import Email, Name

STORES_MAX = 200
Role = Literal["manager", "cashier", "analyst"]
# A name may be left out: the address stands in for it.
MaybeName = Annotated[Name | None, BeforeValidator(lambda value: None if value == "" else value)]


class PlaceRequest(Strict):
    """What somebody may do, and where; no stores: every store."""

    role: Role = Field(examples=["manager"])
    store_ids: Annotated[list[UUID], Field(max_length=STORES_MAX)] = Field([])
    staff_id: UUID | None = Field(None, description="Who they are at the till.")

    def to_place(self) -> Place:
        """Return what the use cases take."""
        return Place(self.role, tuple(self.store_ids), self.staff_id)


class InvitationRequest(PlaceRequest):
    """Whom to invite, as what."""

    email: Email = Field(examples=["anna@coffeelux.example"])
    name: MaybeName = Field(None, examples=["Anna"])


class InvitationRow(BaseModel):
    """An invitation that waits."""

    id: UUID
    role: str
    store_ids: list[UUID]
    staff_id: UUID | None
    invited_at: datetime
    expires_at: datetime

    @classmethod
    def from_row(cls, row: MemberInvitation) -> InvitationRow:
        """Return the answer for a row; without the address, because a repeated request gets it from storage."""
        return cls(**{name: getattr(row, name) for name in InvitationRow.model_fields})


class ListedInvitation(InvitationRow):
    """An invitation in the list of the team."""

    email: str
    name: str

    @classmethod
    def from_row(cls, row: MemberInvitation) -> ListedInvitation:
        """Return the answer for a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class MemberRow(BaseModel):
    """Somebody who signs in."""

    id: UUID
    email: str
    name: str
    role: str
    store_ids: list[UUID]
    staff_id: UUID | None
    joined_at: datetime | None
    disabled_at: datetime | None
    last_seen_at: datetime | None = None

    @classmethod
    def from_row(cls, row: TeamMember | Member) -> MemberRow:
        """Return the answer for a member."""
        known = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(**{**known, "store_ids": list(row.store_ids)})


class TeamAnswer(BaseModel):
    """The owner first, then the members; and who was invited."""

    members: list[MemberRow]
    invitations: list[ListedInvitation]


class OwnerRequest(Strict):
    """Who becomes the owner, and the password of the owner of until now."""

    member_id: UUID
    password: Password


class AcceptRequest(Strict):
    """The token at the end of the invitation's link, a password, and how the team calls you."""

    token: Token
    password: Password = Field(examples=["plum-orchard-tandem-42"])
    name: MaybeName = Field(None, examples=["Anna"])


class AcceptForm(Strict):
    """The page's form: the token is in a cookie."""

    password: Password
    name: MaybeName = None


class OwnerForm(Strict):
    """The page's form: the member is in the address."""

    password: Annotated[str, StringConstraints(max_length=1_000)] = Field(repr=False)

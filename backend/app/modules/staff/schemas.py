"""What the team and device endpoints take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.modules.staff.models import StaffDevice
from app.modules.staff.service import MemberRow
from app.utils.validators import Name, Pin

Role = Literal["cashier", "manager", "analyst"]
SHOWN_ONCE = "Shown once; null in the answer to a repeated request"


class StaffRequest(BaseModel):
    """Add a person to the store's team."""

    model_config = ConfigDict(extra="forbid")
    name: Name = Field(examples=["Marie"])
    role: Role = "cashier"


class StaffChange(BaseModel):
    """Rename a member or give another role."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    role: Role | None = None


class PinAnswer(BaseModel):
    """A PIN that was drawn."""

    id: UUID | None = Field(description="The member; null for the store's shared PIN")
    pin: str | None = Field(description=SHOWN_ONCE, examples=["482913"])


class PinsAnswer(BaseModel):
    """All PINs of a store, drawn anew."""

    pins: list[PinAnswer]


class StaffAnswer(BaseModel):
    """A member of the team. has_pin: may stamp in this store."""

    id: UUID
    name: str
    role: Role
    has_pin: bool
    pin_since: datetime | None

    @classmethod
    def of(cls, row: MemberRow) -> StaffAnswer:
        """Return the answer for a line of the team list."""
        return cls.model_validate(row, from_attributes=True)


class TeamAnswer(BaseModel):
    """The team of a store."""

    staff: list[StaffAnswer]
    has_shared_pin: bool


class DeviceRequest(BaseModel):
    """Add a device to the store."""

    model_config = ConfigDict(extra="forbid")
    name: Name = Field(examples=["Tablet at the counter"])


class PairingAnswer(BaseModel):
    """A one-time code to type and the link behind the QR code, good for ten minutes."""

    id: UUID
    pairing_code: str | None = Field(description=SHOWN_ONCE, examples=["K7QM-3XRD"])
    pairing_url: str | None = Field(description=SHOWN_ONCE)
    expires_at: datetime


class DeviceAnswer(BaseModel):
    """A phone or tablet of the shop."""

    id: UUID
    store_id: UUID
    name: str
    is_paired: bool
    has_shift: bool
    last_seen_at: datetime | None

    @classmethod
    def of(cls, device: StaffDevice) -> DeviceAnswer:
        """Return the answer for a device row."""
        return cls(
            id=device.id,
            store_id=device.store_id,
            name=device.name,
            is_paired=device.secret_hash is not None,
            has_shift=device.shift_opened_at is not None,
            last_seen_at=device.last_seen_at,
        )


class DevicesAnswer(BaseModel):
    """The devices of a store."""

    devices: list[DeviceAnswer]


class PairRequest(BaseModel):
    """Use a pairing code on the device that is to be paired."""

    model_config = ConfigDict(extra="forbid")
    pairing_code: str = Field(min_length=8, max_length=100, repr=False)


class ShiftRequest(BaseModel):
    """Open a shift on this device."""

    model_config = ConfigDict(extra="forbid")
    pin: Pin


class ShiftAnswer(BaseModel):
    """Which device this is, and whose shift is open on it."""

    device_id: UUID
    store_id: UUID
    staff_id: UUID | None
    staff_name: str | None
    role: str | None

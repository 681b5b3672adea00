"""JSON in and out of stores and programmes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from app.modules.stores.public import ProgramView, StoreView
from app.modules.stores.rules import CARD_ICONS, parse_opening_hours
from app.modules.stores.service import NewStore
from app.utils.validators import HexColor, Name, TimeZone, clean_text

LoyaltyType = Literal["stamps", "points", "hybrid"]
Palette = Literal["forest", "plum", "night", "brick", "paper"]
ADDRESS_LENGTH_MAX = 300
POINTS_PER_UNIT_MAX = Decimal(10_000)


def _number(value: Any) -> Any:
    """Take a JSON number or a plain decimal string, never a boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("a number such as 1 or 0.5")
    if isinstance(value, str) and not value.replace(".", "", 1).isascii():
        raise ValueError("a number such as 1 or 0.5")
    return repr(value) if isinstance(value, float) else value


def _empty_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Address = Annotated[
    Annotated[str, Field(max_length=ADDRESS_LENGTH_MAX)] | None,
    BeforeValidator(_empty_to_none),
    AfterValidator(lambda value: clean_text(value) if value else None),
]
Latitude = Annotated[float, BeforeValidator(_number), Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, BeforeValidator(_number), Field(ge=-180, le=180, allow_inf_nan=False)]
OpeningHours = Annotated[
    dict[str, Any],
    AfterValidator(parse_opening_hours),
    Field(examples=[{"mon": [["08:00", "12:00"], ["13:00", "18:00"]]}]),
]
PointsPerUnit = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(gt=0, le=POINTS_PER_UNIT_MAX, decimal_places=4, allow_inf_nan=False, examples=["1"]),
]


def _known_icon(value: str) -> str:
    if value not in CARD_ICONS:
        raise ValueError("one of " + ", ".join(CARD_ICONS))
    return value


class Strict(BaseModel):
    """A body in which an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid")


class StoreRequest(Strict):
    """A new store. program_id: work by the rules of an existing programme."""

    name: Name = Field(examples=["CoffeeLux Gare"])
    loyalty_type: LoyaltyType = Field(examples=["stamps"])
    program_id: UUID | None = None
    time_zone: TimeZone | None = Field(None, examples=["Europe/Luxembourg"])
    address: Address = Field(None, examples=["12, place de la Gare, 1616 Luxembourg"])
    latitude: Latitude | None = Field(None, examples=[49.6])
    longitude: Longitude | None = Field(None, examples=[6.134])
    opening_hours: OpeningHours = Field(default_factory=dict)

    def to_new(self) -> NewStore:
        """Return what the use case takes."""
        return NewStore(**self.model_dump())


class StoreChanges(Strict):
    """What may change of a store; fields left out stay. closed: true closes it, false opens it again."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    address: Address = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    opening_hours: OpeningHours | None = None
    phone_pins: StrictBool | None = Field(None, description="Staff may type PINs on customers' phones.")
    closed: StrictBool | None = None

    @model_validator(mode="after")
    def _only_places_may_be_empty(self) -> StoreChanges:
        for name in self.model_fields_set - {"address", "latitude", "longitude"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be empty")
        return self

    def to_changes(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return self.model_dump(exclude_unset=True)


class Design(Strict):
    """How the card looks; a null goes back to the merchant's own look."""

    palette: Palette | None = None
    background_color: HexColor | None = None
    foreground_color: HexColor | None = None
    accent_color: HexColor | None = None
    icon: Annotated[str, AfterValidator(_known_icon)] | None = Field(None, examples=["coffee"])
    title: Name | None = None


class ProgramChanges(Strict):
    """What may change of a programme; fields left out stay."""

    name: Name | None = None
    loyalty_type: LoyaltyType | None = Field(None, description="Can only be widened to hybrid.")
    stamps_needed: Annotated[StrictInt, Field(ge=1, le=100)] | None = Field(
        None, description="Moves the threshold of the highest active stamp reward.", examples=[10]
    )
    points_per_unit: PointsPerUnit | None = None
    rounding: Literal["down", "half_up", "up"] | None = None
    cooldown_minutes: Annotated[StrictInt, Field(ge=0, le=10_080)] | None = Field(None, description="0: off.")
    stamps_per_visit: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    visits_per_day: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = None
    full_card: Literal["stop", "carry_on"] | None = None
    points_expiry: Literal["never", "after_last_visit", "after_earned"] | None = None
    points_expiry_months: Annotated[StrictInt, Field(ge=1, le=120)] | None = None
    stamps_expiry_months: Annotated[StrictInt, Field(ge=1, le=120)] | None = Field(
        None, description="Months after the first stamp; null: stamps do not expire."
    )
    design: Design | None = None

    @model_validator(mode="after")
    def _only_stamp_expiry_may_be_off(self) -> ProgramChanges:
        for name in self.model_fields_set - self._optional():
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be empty")
        return self

    def _optional(self) -> set[str]:
        return {"stamps_expiry_months"}

    def to_changes(self) -> dict[str, Any]:
        """Return the fields that were sent; of the design only the keys that were sent."""
        return self.model_dump(exclude_unset=True)


class ProgramAnswer(BaseModel):
    """A programme: the rules of one or several stores."""

    id: UUID
    name: str = Field(examples=["CoffeeLux Gare"])
    loyalty_type: str = Field(examples=["stamps"])
    stamps_needed: int = Field(examples=[10])
    points_per_unit: str = Field(examples=["1"], description="Exact decimal")
    rounding: str = Field(examples=["down"])
    cooldown_minutes: int = Field(examples=[10])
    stamps_per_visit: int = Field(examples=[10])
    visits_per_day: int = Field(examples=[5])
    full_card: str = Field(examples=["stop"])
    points_expiry: str = Field(examples=["never"])
    points_expiry_months: int = Field(examples=[12])
    points_expiry_since: datetime | None
    stamps_expiry_months: int | None
    stamps_expiry_since: datetime | None
    design: dict[str, Any]
    design_version: int

    @classmethod
    def from_view(cls, view: ProgramView) -> ProgramAnswer:
        """Return the answer for a programme."""
        values = {name: getattr(view, name) for name in cls.model_fields if name != "points_per_unit"}
        return cls(**values, points_per_unit=plain_decimal(view.points_per_unit))


def plain_decimal(value: Decimal) -> str:
    """Write a decimal without exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class StoreAnswer(BaseModel):
    """A store with the addresses behind its QR codes."""

    id: UUID
    name: str = Field(examples=["CoffeeLux Gare"])
    loyalty_type: str = Field(examples=["stamps"])
    program_id: UUID
    time_zone: str = Field(examples=["Europe/Luxembourg"])
    currency: str = Field(examples=["EUR"])
    address: str | None
    latitude: float | None
    longitude: float | None
    opening_hours: dict[str, Any]
    phone_pins: bool
    created_at: datetime
    closed_at: datetime | None
    join_url: str = Field(examples=["https://cards.example.com/join/0199…"])
    stamp_url: str = Field(examples=["https://cards.example.com/stamp/0199…"])
    points_url: str = Field(examples=["https://cards.example.com/points/0199…"])

    @classmethod
    def from_view(cls, view: StoreView) -> StoreAnswer:
        """Return the answer for a store."""
        values = {name: getattr(view, name) for name in cls.model_fields if name != "program_id"}
        return cls(**values, program_id=view.program.id)


class StoreList(BaseModel):
    """All stores, open ones first."""

    stores: list[StoreAnswer]

"""What a poster is made of: shapes in millimetres on a face, and faces on a sheet. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; radius rounds its corners."""

    x: float
    y: float
    width: float
    height: float
    color: str
    radius: float = 0


@dataclass(frozen=True, slots=True)
class Disc:
    """A filled circle, or a ring of a line's width."""

    x: float
    y: float
    radius: float
    color: str
    line: float = 0


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text, centred on x, standing on y. size: of the em, in millimetres."""

    x: float
    y: float
    size: float
    text: str
    color: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code with its white ground; size: of the ground, with the quiet zone of four modules inside."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture fitted into a box."""

    x: float
    y: float
    width: float
    height: float
    png: bytes


Shape = Box | Disc | Words | Code | Picture


@dataclass(frozen=True, slots=True)
class Face:
    """One side that is looked at. color: of its ground."""

    width: float
    height: float
    color: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is printed and cut. faces: one, or two above each other with a fold between, the upper one upside down."""

    face: Face
    is_folded: bool = False
    is_round: bool = False

    @property
    def width(self) -> float:
        """Return the width after cutting."""
        return self.face.width

    @property
    def height(self) -> float:
        """Return the height after cutting."""
        return self.face.height * (2 if self.is_folded else 1)

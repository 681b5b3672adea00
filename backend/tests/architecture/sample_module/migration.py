"""The statements of the module's migration; rights and row-level security come from the project."""

from __future__ import annotations

from app.db.rights import protect

MIGRATION = (
    """CREATE TABLE friday_note (
    merchant_id uuid NOT NULL REFERENCES merchant (id),
    text text NOT NULL,
    PRIMARY KEY (merchant_id)
)""",
    *protect("friday_note"),
)

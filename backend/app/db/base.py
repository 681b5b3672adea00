"""Declarative base, tenant mixin and privacy marks: what every table shares."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from app.utils.id_generator import new_id

# Every column says what it holds (promises.md 4); an unmarked column fails the build.
# none: nothing about a person · personal: exported and erased · pseudonym: an id that points at a person
# secret: a hash, key or token · sealed: encrypted at rest.
NONE: dict[str, Any] = {"privacy": "none"}
PERSONAL: dict[str, Any] = {"privacy": "personal"}
PSEUDONYM: dict[str, Any] = {"privacy": "pseudonym"}
SECRET: dict[str, Any] = {"privacy": "secret"}


class Base(DeclarativeBase):
    """Base of all tables; aware timestamps, JSONB and text by default."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        UUID: Uuid(as_uuid=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        int: BigInteger(),
    }


class TenantRow:
    """A row of one merchant: the key leads with merchant_id, the id is a UUIDv7."""

    __tenant__ = "merchant_id"

    @declared_attr
    def merchant_id(cls) -> Mapped[UUID]:
        """Return the tenant column."""
        return mapped_column(primary_key=True, info=NONE)

    @declared_attr
    def id(cls) -> Mapped[UUID]:
        """Return the id column; personal pseudonyms are marked where they point at people."""
        return mapped_column(primary_key=True, default=new_id, info=PSEUDONYM)


def tenant_fk(column: str, target: str) -> ForeignKeyConstraint:
    """Return a foreign key that cannot leave the tenant: (merchant_id, column) → target(merchant_id, id)."""
    return ForeignKeyConstraint(["merchant_id", column], [f"{target}.merchant_id", f"{target}.id"])


def merchant_fk() -> ForeignKeyConstraint:
    """Return the foreign key of a tenant row to its merchant."""
    return ForeignKeyConstraint(["merchant_id"], ["merchant.id"])

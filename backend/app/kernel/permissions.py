"""Who may call what. Every route carries exactly one access row; the matrix in docs/permissions.md is made from them.

The kernel knows the kinds of credential; how one is recognised is offered by modules through AUTHENTICATOR.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import Depends, Request, params
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import Forbidden, Unauthenticated
from app.kernel.hooks import Keyed, Veto

ROLES = ("owner", "manager", "cashier", "analyst")


@dataclass(frozen=True)
class Permission:
    """A named right. roles: who has it besides the owner; also the scope name of an API key when api_scope.

    of_all_stores: what it changes holds for every store, so that nobody limited to some of them has it.
    """

    name: str
    title: str
    roles: frozenset[str] = frozenset()
    api_scope: bool = False
    of_all_stores: bool = False

    def is_held_by(self, role: str, *, store_ids: frozenset[UUID]) -> bool:
        """Tell whether a member has it, by their role and the stores they are limited to."""
        if role == "owner":
            return True
        return role in self.roles and not (self.of_all_stores and store_ids)


@dataclass(frozen=True)
class Principal:
    """Who is calling: a dashboard member, an API key, a paired device, an operator or the system.

    id: the member's, key's or device's id. role: one of ROLES for members. scopes: permission names held.
    store_ids: the stores it is limited to; empty: every store.
    """

    kind: str
    merchant_id: UUID
    id: UUID | None
    role: str | None = None
    scopes: frozenset[str] = frozenset()
    store_ids: frozenset[UUID] = frozenset()
    extra: dict[str, Any] = field(default_factory=dict)

    def may(self, permission: str) -> bool:
        """Tell whether the principal holds the permission."""
        return permission in self.scopes


Authenticator = Callable[[Request, AsyncSession], Awaitable[Principal | None]]

# Offered by modules under the keys "session" (dashboard cookie), "api_key" (bearer) and "device" (staff device
# cookie). An authenticator binds the session to the tenant of a good credential and returns who it is, else None.
AUTHENTICATOR: Keyed[Authenticator] = Keyed("AUTHENTICATOR", about="How a kind of credential is recognised.")


@dataclass(frozen=True)
class MemberAsk:
    """A member or an API key that is about to do something it holds the permission for."""

    principal: Principal
    method: str
    permission: str
    modules_on: frozenset[str] = frozenset()

    @property
    def reads_only(self) -> bool:
        """Tell whether the request changes nothing."""
        return self.method in {"GET", "HEAD"}


# Answered by closing. The principal's extra has the shop's feature_rules, so that nobody needs a statement.
MEMBER_GUARD: Veto[MemberAsk] = Veto(
    "MEMBER_GUARD",
    about="May keep members and API keys from what they are allowed to otherwise. It has one user: every route of a"
    " member asks it in one place, which a closed business needs and no list of routes could keep up with.",
)


@dataclass(frozen=True)
class Access:
    """The access row of a route. kind: public, card, staff, device, member, link. permission: for members and keys."""

    kind: str
    permission: str = ""
    note: str = ""
    api_key: bool = False


class AccessRow:
    """The dependency that carries the row; MemberRow in app.dependencies enforces it itself."""

    def __init__(self, access: Access) -> None:
        self.access = access


class OpenRow(AccessRow):
    """A row whose credential is checked by the use case (a PIN, a card token) or not needed at all."""

    async def __call__(self) -> None:
        """Let the request through; the row says who is expected."""


def _row(row: OpenRow) -> params.Depends:
    depends: params.Depends = Depends(row)
    return depends


def public(note: str = "") -> params.Depends:
    """Return the row of a route anybody may call; it shows nothing personal and changes nothing of value."""
    return _row(OpenRow(Access("public", note=note)))


def card_holder(note: str = "") -> params.Depends:
    """Return the row of a route for the holder of a card (cookie or signed link), checked by CustomerDep."""
    return _row(OpenRow(Access("card", note=note)))


def staff_pin(note: str = "", *, api_scope: str = "") -> params.Depends:
    """Return the row of a route whose use case asks for a staff PIN, a paired device or an API key."""
    return _row(OpenRow(Access("staff", permission=api_scope, note=note, api_key=bool(api_scope))))


def device(note: str = "") -> params.Depends:
    """Return the row of a route for a paired staff device, checked by the staff module's DeviceDep."""
    return _row(OpenRow(Access("device", note=note)))


def signed_link(note: str = "") -> params.Depends:
    """Return the row of a route opened by a single-use token from a mail or a pairing code."""
    return _row(OpenRow(Access("link", note=note)))


def operator(note: str = "") -> params.Depends:
    """Return the row of a route for the operator (metrics token or loopback)."""
    return _row(OpenRow(Access("operator", note=note)))


def access_of(route: Any) -> Access | None:
    """Return the access row of a route, or None where its author forgot it."""
    rows = [
        d.dependency.access for d in getattr(route, "dependencies", []) if isinstance(d.dependency, AccessRow)
    ]
    assert len(rows) <= 1, f"{route.path} has two access rows"
    return rows[0] if rows else None


async def authenticate(
    request: Request, session: AsyncSession, *, kinds: tuple[str, ...]
) -> Principal | None:
    """Return the principal of the first kind of credential that the request carries and that is good."""
    for kind in kinds:
        authenticator = AUTHENTICATOR.find(kind)
        principal = await authenticator(request, session) if authenticator else None
        if principal is not None:
            request.state.principal = principal
            return principal
    return None


def require(principal: Principal | None, permission: str) -> Principal:
    """Return the principal when it holds the permission; raises Unauthenticated or Forbidden."""
    if principal is None:
        raise Unauthenticated
    if permission and not principal.may(permission):
        raise Forbidden
    return principal

"""Every change made in the dashboard leaves an audit entry, and every entry can be read.

For each changing route of a member the code that its handler may run is followed, call by call, to the function
that writes an entry. What changes nothing that anybody would ask about is listed with its reason.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from app.kernel import audit
from app.kernel.audit import AUDIT_ACTION
from tests.architecture.documents import docs
from tools.lint.sources import read_python_files

CHANGING = {"POST", "PUT", "PATCH", "DELETE"}

# Changing requests of members that leave no entry, each with its reason.
WITHOUT_ENTRY: dict[str, str] = {
    "POST /dashboard/account/security/app": "draws a secret that counts for nothing before its first code",
    "POST /dashboard/account/security/passkeys/options": "asks a question that lives five minutes",
    "POST /dashboard/account/security/recovery-codes/file": "gives back what was just shown; writes nothing",
    "POST /dashboard/exports/files/{export_id}": "gives out a file whose making left an entry",
    "POST /dashboard/stores/{store_id}/design/preview": "shows what a form would make; writes nothing",
    "POST /dashboard/wallets/apple/test": "tries credentials; keeps only how that went",
    "POST /dashboard/wallets/google/test": "tries credentials; keeps only how that went",
}


def functions_in(value: Any) -> Iterator[types.FunctionType]:
    """Yield the functions of ours behind a name: a function, a class's methods, what a wrapper wraps."""
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, types.MethodType):
        value = value.__func__
    if isinstance(value, types.FunctionType):
        yield value
    elif isinstance(value, type):
        yield from (member for member in vars(value).values() if isinstance(member, types.FunctionType))


def names_in(code: types.CodeType) -> set[str]:
    """Return every name that a function's code uses, its lambdas and inner functions included."""
    inner = (names_in(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def is_ours(value: Any) -> bool:
    """Tell whether a function or module belongs to the product (or to the plants of this file)."""
    name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    return name.startswith(("app.", __name__))


def called_from(function: types.FunctionType) -> Iterator[types.FunctionType]:
    """Yield our functions that a function names: its own, those of modules it names, those it imports inside."""
    names = names_in(function.__code__)
    known = [function.__globals__[name] for name in names if name in function.__globals__]
    known += [sys.modules[name] for name in names if name.startswith("app.") and name in sys.modules]
    for module in [value for value in known if isinstance(value, types.ModuleType) and is_ours(value)]:
        known += [getattr(module, name) for name in names if hasattr(module, name)]
    for value in known:
        yield from (inner for inner in functions_in(value) if is_ours(inner))


def records(endpoint: Any) -> bool:
    """Tell whether the endpoint can reach record_audit."""
    waiting, seen = list(functions_in(endpoint)), set()
    while waiting:
        function = waiting.pop()
        if function is audit.record_audit:
            return True
        if function in seen:
            continue
        seen.add(function)
        waiting += called_from(function)
    return False


def changes_without_entry(app: FastAPI) -> dict[str, str]:
    """Return every changing route of members whose handler reaches no entry, with the handler's place."""
    found = {}
    for route in docs.list_routes(list(app.routes)):
        access = docs.row_of(route)
        if access is None or access.kind != "member":
            continue
        for method in sorted(CHANGING & set(route.methods or ())):
            if not records(route.endpoint):
                place = f"{route.endpoint.__module__}.{route.endpoint.__name__}"
                found[f"{method} {route.path}"] = place
    return found


def test_every_change_of_a_member_leaves_an_entry(app: FastAPI) -> None:
    """Write the entry in the use case, or list the route above with its reason."""
    found = changes_without_entry(app)

    assert {route: place for route, place in found.items() if route not in WITHOUT_ENTRY} == {}


def test_every_exception_is_still_one(app: FastAPI) -> None:
    """A route that is gone, or that leaves an entry now, is taken off the list."""
    assert set(WITHOUT_ENTRY) - set(changes_without_entry(app)) == set()


def test_a_planted_change_without_entry_is_found(app: FastAPI) -> None:
    """The control: a handler that writes nothing is found, and one that calls its way to an entry is not."""

    async def silent(request: Request) -> None: ...

    async def told(request: Request) -> None:
        await _use_case(request)

    planted = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    router = APIRouter()
    row = next(r for r in docs.list_routes(list(app.routes)) if r.path == "/dashboard/settings").dependencies
    router.add_api_route("/silent", silent, methods=["POST"], dependencies=row)
    router.add_api_route("/told", told, methods=["POST"], dependencies=row)
    planted.include_router(router)

    assert list(changes_without_entry(planted)) == ["POST /silent"]


async def _use_case(request: Any) -> None:
    await audit.record_audit(
        request, request, action="planted.done", target_kind="test", target_id=None, now=request
    )


ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


def recorded_actions(app: FastAPI) -> dict[str, str]:
    """Return every text of an action's shape in the files that record entries, with its file.

    What the routes of such a file are called by are permissions, which have the same shape.
    """
    permissions = app.state.registry.permissions()
    found = {}
    for file in read_python_files():
        if not file.in_module or "/tests/" in file.path or "record_audit" not in file.text:
            continue
        for node in ast.walk(file.tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and ACTION.fullmatch(text) and text not in permissions:
                found[text] = file.path
    return found


def test_actions_have_words(app: FastAPI) -> None:
    """Offer the words under AUDIT_ACTION: a reader of the trail should not have to guess."""
    words = dict(AUDIT_ACTION.items())
    actions = recorded_actions(app)

    assert len(actions) >= 30
    assert {action: place for action, place in actions.items() if action not in words} == {}


@pytest.mark.parametrize("action", ["store.created", "api_key.revoked", "passkey.added"])
def test_the_registry_of_words_is_bound(app: FastAPI, action: str) -> None:
    """The control: the words are there."""
    assert AUDIT_ACTION.find(action)

"""Every route says who may call it and how it may refuse."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from app.kernel.errors import CODES
from app.kernel.permissions import Access, OpenRow, access_of, public
from app.kernel.web.problems import PROBLEM_TYPE
from tests.architecture.documents import docs
from tools.lint.sources import read_python_files

METHODS = {"get", "post", "put", "patch", "delete"}
# What the access row itself may answer, and so has to be documented.
CODES_OF_ROW = {"member": {"unauthenticated", "forbidden"}}


def routes_of(app: FastAPI) -> list[Any]:
    """Return every route of the application."""
    return list(docs.list_routes(list(app.routes)))


def test_every_route_has_exactly_one_access_row(app: FastAPI) -> None:
    """No route was forgotten; access_of refuses two rows itself."""
    routes = routes_of(app)

    assert len(routes) > 100
    assert [route.path for route in routes if docs.row_of(route) is None] == []


def test_routes_without_a_row_of_their_own_are_still_needed(app: FastAPI) -> None:
    """The list of exceptions holds nothing that got a row meanwhile."""
    bare = {route.path for route in routes_of(app) if access_of(route) is None}

    assert bare == set(docs.WITHOUT_ROW)


def test_a_planted_route_without_a_row_is_found() -> None:
    """The control: a new route whose author forgot the row breaks the document and the check."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    router = APIRouter()
    router.add_api_route("/open", lambda: None, dependencies=[public()])
    router.add_api_route("/forgotten", lambda: None)
    app.include_router(router)
    app.state.registry = type("Empty", (), {"permissions": staticmethod(dict)})()

    assert [route.path for route in routes_of(app) if docs.row_of(route) is None] == ["/forgotten"]
    with pytest.raises(ValueError, match="/forgotten"):
        docs.render_permissions(app)


def test_a_planted_second_row_is_found() -> None:
    """The control: two rows would mean two answers to one question."""
    router = APIRouter()
    rows = [public(), Depends(OpenRow(Access("card")))]
    router.add_api_route("/twice", lambda: None, dependencies=rows)

    with pytest.raises(AssertionError, match="two access rows"):
        access_of(router.routes[0])


def test_rows_name_permissions_that_exist(app: FastAPI) -> None:
    """A member's row names a declared permission, and an API key's scope may be given to keys."""
    declared = app.state.registry.permissions()
    for route in routes_of(app):
        access = docs.row_of(route)
        if access.kind == "member":
            assert access.permission in declared, route.path
        if access.permission:
            assert access.permission in declared, route.path
        if access.kind == "staff" and access.api_key:
            assert declared[access.permission].api_scope, route.path


def test_every_changing_page_is_bound_to_a_person_or_public_on_purpose(app: FastAPI) -> None:
    """Nothing below /dashboard is open; nothing below /card or /staff is called public."""
    for route in routes_of(app):
        access = docs.row_of(route)
        if route.path.startswith("/dashboard"):
            assert access.kind == "member", route.path
        if route.path.startswith(("/card/", "/staff", "/device/")):
            assert access.kind in {"card", "device", "link"}, route.path


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (method, path, operation) of everything the API's description shows."""
    paths = app.openapi()["paths"]
    return [
        (method, path, operation)
        for path, item in paths.items()
        for method, operation in item.items()
        if method in METHODS
    ]


def documented_codes(operation: dict[str, Any]) -> dict[str, int]:
    """Return the error codes of an operation with the status they stand under."""
    found = {}
    for status, response in operation["responses"].items():
        examples = response.get("content", {}).get(PROBLEM_TYPE, {}).get("examples", {})
        found |= {code: int(status) for code in examples}
    return found


def test_every_operation_documents_its_errors(app: FastAPI) -> None:
    """Each has codes, each code exists and stands under its own status; FastAPI's own 422 is nowhere left."""
    for method, path, operation in operations(app):
        where = f"{method} {path}"
        codes = documented_codes(operation)
        assert "invalid" in codes, where
        assert all(code in CODES and CODES[code].status == status for code, status in codes.items()), where
        assert operation.get("summary") or operation.get("description"), where
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert set(response["content"]) == {PROBLEM_TYPE}, f"{where} {status}"


def test_operations_document_what_their_row_answers(app: FastAPI) -> None:
    """A dashboard route says 401 and 403, whoever wrote it."""
    missing = []
    for route in routes_of(app):
        access = docs.row_of(route)
        wanted = CODES_OF_ROW.get(access.kind, set())
        if not wanted or not getattr(route, "include_in_schema", False):
            continue
        for method in route.methods - {"HEAD"}:
            codes = documented_codes(app.openapi()["paths"][route.path][method.lower()])
            missing += [f"{method} {route.path}: {code}" for code in sorted(wanted - set(codes))]

    assert missing == []


def test_every_refusal_in_the_code_exists() -> None:
    """A code that is returned or raised by its name stands in the table of codes."""
    unknown = []
    seen = set()
    for file in read_python_files():
        if not file.in_app:
            continue
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            given = node.args[0] if name == "Refusal" and node.args else None
            given = given or next(
                (k.value for k in node.keywords if k.arg == "code" and name != "AwardCommand"), None
            )
            is_error = name == "Refusal" or name in {
                "Invalid",
                "Conflict",
                "Forbidden",
                "NotFound",
                "AppError",
            }
            if is_error and isinstance(given, ast.Constant):
                seen.add(given.value)
                if given.value not in CODES:
                    unknown.append(f"{file.path}:{node.lineno}: {given.value}")

    assert len(seen) > 8
    assert unknown == []


def test_the_permissions_page_is_true(app: FastAPI) -> None:
    """docs/permissions.md is what the routes say; run `python tools/docs.py` after a change."""
    assert docs.read("permissions.md") == docs.render_permissions(app)

"""Write the documents that are made from the code: docs/hooks.md, docs/settings.md, docs/permissions.md.

Run: python tools/docs.py (with the project's environment). A test compares them with what this would write now.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "backend"))

from fastapi import FastAPI  # noqa: E402 - the path comes first
from pydantic.fields import FieldInfo  # noqa: E402 - the path comes first
from pydantic_core import PydanticUndefined  # noqa: E402 - the path comes first

from app.config import Settings  # noqa: E402 - the path comes first
from app.installed import INSTALLED  # noqa: E402 - the path comes first
from app.kernel.hooks import KEYED, POINTS  # noqa: E402 - the path comes first
from app.kernel.permissions import ROLES, Access, Permission, access_of  # noqa: E402 - the path comes first
from app.kernel.registry import Registry  # noqa: E402 - the path comes first
from app.main import create_app  # noqa: E402 - the path comes first
from app.process import build_process  # noqa: E402 - the path comes first
from app.utils.security import Keyring  # noqa: E402 - the path comes first

APP = ROOT / "backend" / "app"
MADE = "<!-- Made by `python tools/docs.py` from the code; edit the code instead. -->\n\n"
KINDS = {"Veto", "Chain", "Collect", "Tell", "Keyed"}
WHO = {
    "public": "anybody",
    "card": "holder of the card",
    "staff": "staff PIN",
    "device": "paired device",
    "link": "single-use link or code",
    "operator": "operator",
    "member": "dashboard member",
}
# Routes that FastAPI makes itself; they cannot carry a row and show nothing but the API's description.
WITHOUT_ROW = {"/openapi.json": Access("public", note="The API's description")}


@dataclass(frozen=True)
class Declaration:
    """Where a point is declared and with which types."""

    file: str
    annotation: str

    @property
    def owner(self) -> str:
        """Return the module, or kernel."""
        parts = self.file.split("/")
        return parts[2] if parts[1] == "modules" else "kernel"

    @property
    def import_from(self) -> str:
        """Return where a subscriber imports the point from."""
        if self.owner == "kernel":
            return self.file.removesuffix(".py").replace("/", ".")
        return f"app.modules.{self.owner}.public"


def find_declarations() -> dict[str, Declaration]:
    """Return every point and registry as the sources declare it."""
    found: dict[str, Declaration] = {}
    for path in sorted(APP.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Call):
                continue
            made = node.value.func
            if isinstance(made, ast.Name) and made.id in KINDS and isinstance(node.target, ast.Name):
                file = path.relative_to(APP.parent).as_posix()
                found[node.target.id] = Declaration(file, ast.unparse(node.annotation))
    return found


def bound_registry() -> Registry:
    """Return the registry of INSTALLED, with every owner's points imported and bound."""
    registry = Registry(INSTALLED)
    importlib.import_module("app.kernel.ledger")
    for module in registry.modules:
        name = f"{module.package_name}.public"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    registry.bind()
    return registry


def types_of(annotation: str) -> str:
    """Return the types a point speaks in: its context, and what a subscriber returns or offers."""
    return annotation.partition("[")[2].removesuffix("]")


def render_hooks() -> str:
    """Return docs/hooks.md."""
    bound_registry()
    places = find_declarations()
    lines = [
        "# Extension points\n",
        "\n",
        MADE,
        "A module subscribes in its manifest, `hooks=(On(EARN_GUARD, refuse_at_night),)`, or offers something\n",
        'under a key, `offers=(Offer(EXPORTER, "stamps", rows),)`. Import a point from the place named here.\n',
        "\n",
        "- **Veto** `(context) -> Refusal | None`, pure; the first refusal wins.\n",
        "- **Chain** `(context, value) -> value`, pure; each gets what the one before returned.\n",
        "- **Collect** `(context) -> values`, sync or async; gathered in order.\n",
        "- **Tell** `(context) -> None`, sync or async, inside the transaction; a failure fails the request.\n",
        "\n",
        "Subscribers are called by `order`, then by the module's place in `INSTALLED`; a switchable module's\n",
        "only for merchants that have switched it on.\n",
        "\n## Points\n",
    ]
    for name, point in sorted(POINTS.items()):
        place = places[name]
        lines += [f"\n### {name}\n\n{point.about}\n\n"]
        lines += [f"- {point.kind} of {place.owner}; from `{place.import_from}`\n"]
        lines += [f"- types: `{types_of(place.annotation)}`\n"]
        called = [f"{bound.module} (`{bound.function.__name__}`, {bound.order})" for bound in point.bound]
        lines += [f"- subscribers: {', '.join(called) or 'none yet'}\n"]
    lines += ["\n## Registries\n"]
    for name, keyed in sorted(KEYED.items()):
        place = places[name]
        keys = ", ".join(f"`{key}`" for key, _ in keyed.items())
        lines += [f"\n### {name}\n\n{keyed.about}\n\n"]
        lines += [f"- registry of {place.owner}; from `{place.import_from}`\n"]
        lines += [f"- offers: `{types_of(place.annotation)}`\n- keys: {keys or 'none yet'}\n"]
    return "".join(lines)


def default_of(field: FieldInfo) -> str:
    """Return a field's default as a person would write it."""
    if field.default is PydanticUndefined:
        return "a folder of the user's" if field.default_factory is not None else "must be set"
    if field.default is None or field.default in ("", ()):
        return "empty"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def limits_of(field: FieldInfo) -> str:
    """Return which values a field takes."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "`true`, `false`"
    bounds = {type(item).__name__: item for item in field.metadata}
    low, high = bounds.get("Ge"), bounds.get("Le")
    if low is not None and high is not None:
        return f"{low.ge} to {high.le}"
    return f"at least {low.ge}" if low is not None else ""


def render_settings() -> str:
    """Return docs/settings.md."""
    lines = [
        "# Settings\n",
        "\n",
        MADE,
        "## The operator's: environment variables\n",
        "\n",
        "Read once at start. The process refuses unsafe values with a sentence; `./stempel doctor` names them all.\n",
        "A value may stand in a file instead: `STEMPEL_DATABASE_URL_FILE` names one that holds what\n",
        "`STEMPEL_DATABASE_URL` would, on one line, for the secrets of Docker and the credentials of systemd.\n",
        "\n",
        "| variable | values | default | what it does |\n|---|---|---|---|\n",
    ]
    for name, field in Settings.model_fields.items():
        row = (f"`STEMPEL_{name.upper()}`", limits_of(field), default_of(field), field.description or "")
        lines.append(f"| {' | '.join(row)} |\n")
    lines += [
        "\n## The merchant's: kept in the database\n",
        "\n",
        "A module declares them in its manifest; a store's value wins over the merchant's.\n",
    ]
    for module in INSTALLED:
        for kind in module.settings:
            lines += [f"\n### {kind.section}\n\n{(kind.__doc__ or '').strip()}\n\n"]
            lines += ["| setting | values | default | what it does |\n|---|---|---|---|\n"]
            for name, field in kind.model_fields.items():
                row = (f"`{name}`", limits_of(field), default_of(field), field.description or "")
                lines.append(f"| {' | '.join(row)} |\n")
    return "".join(lines)


def build_app() -> FastAPI:
    """Build the application without opening it: nothing is connected to."""
    with tempfile.TemporaryDirectory() as folder:
        nowhere = "postgresql://nobody@127.0.0.1:1/none"
        settings = Settings(database_url=nowhere, data_dir=Path(folder), demo=True)
        process = build_process(settings, keyring=Keyring.for_tests())
        return create_app(settings, process=process)


def list_routes(routes: list[Any]) -> Iterator[Any]:
    """Yield every route, also those inside included routers."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from list_routes(inner.routes)


def row_of(route: Any) -> Access | None:
    """Return the access row of a route, or the documented one of a route that FastAPI makes."""
    return access_of(route) or WITHOUT_ROW.get(route.path)


def role_of(role: str, access: Access, declared: Mapping[str, Permission]) -> str:
    """Return "yes" where a member of this role may call a route of this row."""
    if access.kind != "member":
        return ""
    permission = declared.get(access.permission)
    return "yes" if role == "owner" or (permission and role in permission.roles) else ""


def render_permissions(app: FastAPI) -> str:
    """Return docs/permissions.md. Raises ValueError for a route without an access row."""
    lines = [
        "# Who may call what\n",
        "\n",
        MADE,
        "Every route carries exactly one access row; a route without one fails the build. A *dashboard member*\n",
        "needs the permission through a role; where an API-key scope is named, a key with it may call, too.\n",
        "Another merchant's id and an unknown one get the same `404 not_found`. Whoever is limited to some stores\n",
        "holds no permission marked *of all stores*: what it changes holds for the others, too.\n",
        "\n## Permissions\n\n",
        f"The owner has all of them.\n\n| permission | what it allows | {' | '.join(ROLES[1:])} | API-key scope |\n",
        "|---|---|" + "---|" * len(ROLES) + "\n",
    ]
    for permission in app.state.registry.permissions().values():
        held = " | ".join("yes" if role in permission.roles else "" for role in ROLES[1:])
        scope = "yes" if permission.api_scope else ""
        title = permission.title + (" (of all stores)" if permission.of_all_stores else "")
        lines.append(f"| `{permission.name}` | {title} | {held} | {scope} |\n")
    lines += ["\n## Routes\n\n", "A role is named where it may call a dashboard member's route.\n\n"]
    lines += [f"| method | path | who | permission | {' | '.join(ROLES)} | API-key scope |\n"]
    lines += ["|---|---|---|---|" + "---|" * (len(ROLES) + 1) + "\n"]
    declared = app.state.registry.permissions()
    for route in list_routes(list(app.routes)):
        access = row_of(route)
        if access is None:
            raise ValueError(f"{route.path} has no access row")
        methods = ", ".join(sorted(set(route.methods) - {"HEAD"})) or "HEAD"
        permission = f"`{access.permission}`" if access.permission and access.kind == "member" else ""
        scope = f"`{access.permission}`" if access.api_key else ""
        held = " | ".join(role_of(role, access, declared) for role in ROLES)
        lines.append(
            f"| {methods} | `{route.path}` | {WHO[access.kind]} | {permission} | {held} | {scope} |\n"
        )
    return "".join(lines)


def render_all() -> dict[str, str]:
    """Return the generated documents by file name."""
    return {
        "hooks.md": render_hooks(),
        "settings.md": render_settings(),
        "permissions.md": render_permissions(build_app()),
    }


def main() -> None:
    """Write the documents."""
    for name, text in render_all().items():
        (ROOT / "docs" / name).write_text(text)


if __name__ == "__main__":
    main()

"""The API's description as our own page: no foreign script, no inline style, readable without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.kernel.errors import CODES
from app.kernel.permissions import Access, access_of

METHODS = ("get", "post", "put", "patch", "delete")
DEPTH_MAX = 6


@dataclass(frozen=True, slots=True)
class DocField:
    """A field of a body, or a parameter."""

    name: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class DocAnswer:
    """A possible answer. codes: the stable codes of a problem, with their words."""

    status: str
    text: str
    example: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocOperation:
    """A call: everything a developer needs on one screen."""

    anchor: str
    method: str
    path: str
    title: str
    text: str
    access: str
    parameters: tuple[DocField, ...]
    body: tuple[DocField, ...]
    example: str
    answers: tuple[DocAnswer, ...]


@dataclass(frozen=True, slots=True)
class DocGroup:
    """Calls that belong together."""

    name: str
    anchor: str
    operations: tuple[DocOperation, ...]


def access_words(access: Access) -> str:
    """Return who may make a call, from its access row."""
    key = f" or an API key with the scope {access.permission}" if access.api_key else ""
    words = {
        "public": "Anybody.",
        "card": "The holder of the card: cookie or signed token.",
        "staff": f"A staff PIN, a paired device{key}.",
        "device": "A paired staff device.",
        "member": f"A signed-in member with the right {access.permission}{key}.",
        "link": "The token of a mail or a pairing code.",
        "operator": "The operator.",
    }
    return words.get(access.kind, "")


def list_access(routes: Iterable[Any]) -> dict[tuple[str, str], str]:
    """Return who may make each call, by method and path."""
    found: dict[tuple[str, str], str] = {}
    for route in routes:
        access = access_of(route)
        if access is not None:
            for method in getattr(route, "methods", ()):
                found[method, route.path] = access_words(access)
    return found


def build_docs(spec: Mapping[str, Any], access: Mapping[tuple[str, str], str]) -> list[DocGroup]:
    """Return the OpenAPI description grouped by tag, in the order of the routes."""
    groups: dict[str, list[DocOperation]] = {}
    for path, method, operation in _operations(spec):
        tag = (operation.get("tags") or ["Other"])[0]
        who = access.get((method.upper(), path), "")
        groups.setdefault(tag, []).append(_operation(spec, path, method, operation=operation, who=who))
    return [DocGroup(name, _anchor(name), tuple(operations)) for name, operations in groups.items()]


def error_table() -> list[tuple[int, str, str]]:
    """Return (status, code, words) of every stable code."""
    return sorted((error.status, code, error.title) for code, error in CODES.items())


def _operations(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in spec.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def _anchor(*parts: str) -> str:
    kept = "".join(c.lower() if c.isalnum() else "-" for c in "-".join(parts))
    return "-".join(part for part in kept.split("-") if part)


def _operation(
    spec: Mapping[str, Any], path: str, method: str, *, operation: Mapping[str, Any], who: str
) -> DocOperation:
    schema = _body_schema(operation.get("requestBody", {}))
    return DocOperation(
        anchor=_anchor(method, path),
        method=method.upper(),
        path=path,
        title=str(operation.get("summary", path)),
        text=str(operation.get("description", "")),
        access=who,
        parameters=tuple(_parameter(spec, parameter) for parameter in operation.get("parameters", [])),
        body=tuple(_fields(spec, schema)) if schema else (),
        example=_pretty(example_of(spec, schema)) if schema else "",
        answers=tuple(
            _answer(spec, status, answer) for status, answer in sorted(operation.get("responses", {}).items())
        ),
    )


def _body_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for media_type, content in body.get("content", {}).items():
        if "json" in media_type or "form" in media_type:
            schema: Mapping[str, Any] = content.get("schema", {})
            return schema
    return None


def _parameter(spec: Mapping[str, Any], parameter: Mapping[str, Any]) -> DocField:
    schema = parameter.get("schema", {})
    text = parameter.get("description") or _resolve(spec, schema).get("description", "")
    name = f"{parameter['name']} ({parameter['in']})"
    return DocField(name, kind_of(spec, schema), bool(parameter.get("required")), str(text))


def _resolve(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    if not reference.startswith("#/"):
        return schema
    found: Any = spec
    for part in reference[2:].split("/"):
        found = found.get(part, {})
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _fields(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[DocField]:
    resolved = _resolve(spec, schema)
    required = set(resolved.get("required", []))
    for name, part in resolved.get("properties", {}).items():
        inner = _resolve(spec, part)
        text = str(inner.get("description", ""))
        if "default" in inner and inner["default"] is not None:
            text = f"{text} Default: {json.dumps(inner['default'])}.".strip()
        yield DocField(name, kind_of(spec, part), name in required, text)


def kind_of(spec: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> str:
    """Return a field's kind in a few words: "string (uuid)", "stamps | points", "list of string"."""
    resolved = _resolve(spec, schema)
    if depth > DEPTH_MAX:
        return "object"
    if "enum" in resolved or "const" in resolved:
        return " | ".join(str(value) for value in resolved.get("enum", [resolved.get("const")]))
    for word in ("anyOf", "oneOf", "allOf"):
        if word in resolved:
            kinds = [kind_of(spec, part, depth + 1) for part in resolved[word]]
            return " or ".join(dict.fromkeys(kinds))
    kind = str(resolved.get("type", "any"))
    if kind == "array":
        return f"list of {kind_of(spec, resolved.get('items', {}), depth + 1)}"
    bound = resolved.get("format", "")
    return f"{kind} ({bound})" if bound else kind


def example_of(spec: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """Return an example: the schema's own, or one made of its fields."""
    resolved = _resolve(spec, schema)
    if resolved.get("examples"):
        first = resolved["examples"]
        return first[0] if isinstance(first, list) else next(iter(first.values()))
    for word in ("example", "const", "default"):
        if resolved.get(word) is not None:
            return resolved[word]
    if depth > DEPTH_MAX:
        return None
    if resolved.get("enum"):
        return resolved["enum"][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in resolved:
            return example_of(spec, resolved[word][0], depth + 1)
    if resolved.get("properties"):
        return {name: example_of(spec, part, depth + 1) for name, part in resolved["properties"].items()}
    if resolved.get("type") == "array":
        return [example_of(spec, resolved.get("items", {}), depth + 1)]
    return _plain_example(resolved)


def _plain_example(schema: Mapping[str, Any]) -> Any:
    formats = {
        "uuid": "0190a5e0-0000-7000-8000-000000000001",
        "date-time": "2026-11-20T09:00:00Z",
        "date": "2026-11-20",
        "uri": "https://cards.example.com/",
    }
    kinds = {"string": "text", "integer": 1, "number": 1, "boolean": True, "object": {}}
    return formats.get(str(schema.get("format", ""))) or kinds.get(str(schema.get("type", "")))


def _answer(spec: Mapping[str, Any], status: str, answer: Mapping[str, Any]) -> DocAnswer:
    example, codes = "", ()
    for media_type, content in answer.get("content", {}).items():
        if "problem" in media_type:
            codes = tuple(content.get("examples", {}))
        elif "json" in media_type and content.get("schema"):
            example = _pretty(content.get("example") or example_of(spec, content["schema"]))
    return DocAnswer(status, str(answer.get("description", "")), example, codes)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)

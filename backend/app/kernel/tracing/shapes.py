"""What a statement is called and what it looks like, without any value in it."""

from __future__ import annotations

import re
from functools import lru_cache

SHAPES_KEPT = 2_048
NAME_LENGTH_MAX = 100
TEXT_LENGTH_MAX = 600
# A transaction's beginning names its tenant, so that no two are alike (PlainSession).
_BEGINNING = "BEGIN; SELECT set_config"

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|(\$\w*\$).*?\1", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b")
_FIRST_WORD = re.compile(r"[A-Za-z]+")
_TEMPORARY = re.compile(r"\b(\w+)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s*)?\(", re.IGNORECASE)
_TABLE = re.compile(
    r"\b(?P<verb>INSERT\s+INTO|DELETE\s+FROM|(?:(?P<before>\w+)\s+)?(?P<alone>UPDATE|FROM|JOIN))\s+"
    r"(?:ONLY\s+)?\"?(?P<table>[a-z_][a-z0-9_]*)\"?(?P<call>\s*\()?",
    re.IGNORECASE,
)
_NO_TABLES = frozenset({"set", "of", "skip", "nowait", "select", "lateral", "unnest", "excluded"})


@lru_cache(maxsize=SHAPES_KEPT)
def shape_of(statement: str) -> tuple[str, str]:
    """Return a short name, such as `SELECT store INSERT visit`, and the statement without its values, cut short."""
    if statement.startswith(_BEGINNING):
        return "BEGIN", "BEGIN; SELECT set_config(?, ?, true)"
    bare = _NUMBER.sub("?", _TEXT.sub("?", _COMMENT.sub(" ", statement)))
    text = " ".join(bare.split())
    return _name_of(text), text if len(text) <= TEXT_LENGTH_MAX else f"{text[:TEXT_LENGTH_MAX]}…"


def _name_of(text: str) -> str:
    temporary = {name.lower() for name in _TEMPORARY.findall(text)}
    tables: dict[str, dict[str, None]] = {}
    for found in _TABLE.finditer(text):
        table, before = found["table"].lower(), (found["before"] or "").lower()
        verb = (found["alone"] or found["verb"].split()[0]).upper()
        is_call = bool(found["call"]) and verb != "INSERT"
        if is_call or table in temporary or table in _NO_TABLES or before in {"for", "do", "distinct"}:
            continue
        tables.setdefault("SELECT" if verb in {"FROM", "JOIN"} else verb, {})[table] = None
    parts = [" ".join((verb, *names)) for verb, names in tables.items()]
    first = _FIRST_WORD.search(text)
    name = " ".join(parts) or (first.group().upper() if first else "?")
    return name if len(name) <= NAME_LENGTH_MAX else f"{name[: NAME_LENGTH_MAX - 1]}…"

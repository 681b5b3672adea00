"""Statements without their values, and short names for them."""

from __future__ import annotations

import pytest

from app.kernel.tracing.shapes import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, shape_of
from app.modules.visits import statements


@pytest.mark.parametrize(
    ("statement", "name", "text"),
    [
        ("SELECT 1", "SELECT", "SELECT ?"),
        ("COMMIT", "COMMIT", "COMMIT"),
        ("begin;", "BEGIN", "begin;"),
        (
            "BEGIN; SELECT set_config('stempel.merchant_id', '0198-secret', true)",
            "BEGIN",
            "BEGIN; SELECT set_config(?, ?, true)",
        ),
        (
            "SELECT store.id, store.name FROM store\nWHERE store.id = $1::UUID \n LIMIT 15",
            "SELECT store",
            "SELECT store.id, store.name FROM store WHERE store.id = $1::UUID LIMIT ?",
        ),
        (
            "INSERT INTO card (a, b) VALUES ('O''Brien', E'it\\'s') -- 'secret'",
            "INSERT card",
            "INSERT INTO card (a, b) VALUES (?, ?)",
        ),
        (
            "UPDATE a SET b = b + 1.5e3 FROM c JOIN d USING (e) WHERE f2 = $12 FOR UPDATE OF a",
            "UPDATE a SELECT c d",
            "UPDATE a SET b = b + ? FROM c JOIN d USING (e) WHERE f2 = $12 FOR UPDATE OF a",
        ),
        (
            "WITH gone AS (DELETE FROM mark RETURNING id) SELECT * FROM gone, unnest($1::text[]) /* secret */",
            "DELETE mark",
            "WITH gone AS (DELETE FROM mark RETURNING id) SELECT * FROM gone, unnest($1::text[])",
        ),
        (
            "INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET c = extract(epoch FROM now())",
            "INSERT a",
            "INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET c = extract(epoch FROM now())",
        ),
        ("SELECT $a$it's secret$a$, $1", "SELECT", "SELECT ?, $1"),
        ("", "?", ""),
    ],
)
def test_a_statement_has_a_name_and_a_shape(statement: str, name: str, text: str) -> None:
    """Verbs with their tables; texts, numbers and comments are gone, placeholders stay."""
    assert shape_of(statement) == (name, text)


def test_long_ones_are_cut() -> None:
    """However many tables and columns there are."""
    name, text = shape_of(
        f"SELECT {', '.join(['a'] * 900)} FROM " + " JOIN ".join(f"table{'x' * n}" for n in range(40))
    )

    assert len(name) <= NAME_LENGTH_MAX
    assert len(text) <= TEXT_LENGTH_MAX + 1


@pytest.mark.parametrize("name", ["READ_AT_ONCE", "WRITE_AT_ONCE", "WRITE", "LOAD_WITH_PIN"])
def test_the_hot_path_is_recognised(name: str) -> None:
    """The statements of the award are told apart by what they read and write."""
    found, _text = shape_of(getattr(statements, name))

    assert "pass_object" in found
    assert ("INSERT" in found) == name.startswith("WRITE")

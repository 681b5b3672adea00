"""Facts beside an entry, as people read them."""

from __future__ import annotations

import pytest

from app.kernel.i18n import use_language
from app.modules.audit_log.facts import facts_in_words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"loyalty_type": "hybrid"}, "kind of programme: stamps and points"),
        ({"fields": ["name", "opening_hours"], "store_id": "1"}, "Changed: name, opening hours"),
        (
            {"rate_bp": 350, "hand_max_minor": 10_000, "rounding": "half_even"},
            "most by hand: €100.00 · share given back: 3.50% · rounding: to the nearest, halves to the even one",
        ),
        ({"scopes": ["stamps.give", "visits.void"]}, "2 rights"),
        ({"fields": ["own_column"]}, "Changed: own column"),
        ({"stores": list("1234567")}, "stores: 7 entries"),
        ({"feature": "", "count": 0, "role": "manager"}, "how many: 0 · role: manager"),
    ],
)
def test_facts_are_read_in_words(facts: dict[str, object], words: str) -> None:
    """Names and values are words, long lists are counted, ids and what is empty are left out."""
    with use_language("en"):
        assert facts_in_words(facts, currency="EUR") == words


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "feature: Levels"), ("de", "Funktion: Stufen"), ("fr", "fonction: Niveaux")],
)
@pytest.mark.usefixtures("app")
def test_a_feature_says_its_own_name(language: str, words: str) -> None:
    """What was switched stands there as the feature calls itself; one that is not installed keeps its stored name."""
    with use_language(language):
        assert facts_in_words({"feature": "tiers"}) == words
        assert facts_in_words({"feature": "of_old"}).endswith("of_old")


def test_facts_follow_the_language() -> None:
    """The words are the reader's."""
    with use_language("de"):
        assert (
            facts_in_words({"fields": ["time_zone"], "role": "owner"})
            == "Geändert: Zeitzone · Rolle: Inhaber"
        )

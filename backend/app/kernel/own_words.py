"""What merchants write, by language: one wording stands for all, others for those who read another language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def own_words(texts: Any, name: str, *languages: str) -> str:
    """Return a text in the first of the languages that has one, else nothing. texts: {language: {name: text}}."""
    spoken = texts if isinstance(texts, Mapping) else {}
    for language in languages:
        own = spoken.get(language)
        if isinstance(own, Mapping) and own.get(name):
            return str(own[name])
    return ""


def written_words(texts: Mapping[str, Mapping[str, str | None]]) -> dict[str, dict[str, str]]:
    """Return the texts without what is empty, as they are stored."""
    kept = {language: {name: text for name, text in own.items() if text} for language, own in texts.items()}
    return {language: own for language, own in kept.items() if own}


def without_words(texts: Mapping[str, Mapping[str, str]], *names: str) -> dict[str, dict[str, str]]:
    """Return the texts without some of them in any language: what they translate says something else now."""
    kept = {
        language: {name: text for name, text in own.items() if name not in names}
        for language, own in texts.items()
    }
    return written_words(kept)

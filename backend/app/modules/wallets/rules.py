"""What a card shows: how it stands to its rewards, its colours and its change message. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from app.kernel.own_words import own_words

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class CardColors:
    """The card's colours as #rrggbb, and the palette they come from ("" for the merchant's own).

    ground: what lies on the background: nothing, a pattern's name, or a photo's.
    """

    palette: str
    background: str
    foreground: str
    accent: str
    ground: str = ""


# The same colours as the classes in static/css/card.css; a test compares them.
PALETTES: Mapping[str, CardColors] = {
    "forest": CardColors("forest", "#0b5c46", "#ffffff", "#f2b632"),
    "plum": CardColors("plum", "#2b1733", "#fbf1ea", "#f2946a"),
    "night": CardColors("night", "#16243f", "#f1f5fb", "#ffcf5c"),
    "brick": CardColors("brick", "#8c2f23", "#fff5ec", "#ffd08a"),
    "paper": CardColors("paper", "#fbf8f1", "#23201a", "#c2410c"),
}
DEFAULT_PALETTE = "forest"
DEFAULT_ICON = "coffee"


@dataclass(frozen=True, slots=True)
class RewardRow:
    """A reward of the card's programme as it is stored. texts: title and text in other languages."""

    id: UUID
    kind: str
    threshold: int
    title: str
    text: str | None
    active: bool
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardBalances:
    """What is on a card. banked and kept as on the card's row: {reward id: count}, {reward id: threshold}."""

    stamp_count: int
    points_balance: int
    banked: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> int:
        """Return the balance that pays for rewards of this kind; a debt counts as nothing."""
        return max(0, self.stamp_count if kind == "stamps" else self.points_balance)


@dataclass(frozen=True, slots=True)
class CardReward:
    """A reward as the card shows it. waiting: how many could be redeemed; missing: stamps or points to go."""

    id: UUID
    kind: str
    title: str
    text: str | None
    threshold: int
    ready: bool
    waiting: int
    missing: int
    active: bool
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def said_in(self, language: str) -> CardReward:
        """Return the reward in a language, where the merchant wrote it in that."""
        if language not in self.texts:
            return self
        title, text = (own_words(self.texts, name, language) for name in ("title", "text"))
        return replace(self, title=title or self.title, text=text or self.text)


def show_rewards(balances: CardBalances, rewards: Sequence[RewardRow]) -> tuple[CardReward, ...]:
    """Return what the card shows: rewards on offer, then those that only wait; stamps first.

    The same rules as rewards.rules.describe_rewards, later in INSTALLED; a test holds them together.
    """
    shown = (_show_reward(balances, reward) for reward in rewards)
    return tuple(
        sorted(
            (reward for reward in shown if reward.active or reward.waiting),
            key=lambda reward: (reward.kind != "stamps", reward.threshold, reward.title),
        )
    )


def _show_reward(balances: CardBalances, reward: RewardRow) -> CardReward:
    banked = balances.banked.get(str(reward.id), 0)
    threshold = min(reward.threshold, balances.kept.get(str(reward.id), reward.threshold))
    balance = balances.of(reward.kind)
    waiting = banked + (balance // threshold if reward.active else 0)
    return CardReward(
        id=reward.id,
        kind=reward.kind,
        title=reward.title,
        text=reward.text,
        threshold=reward.threshold,
        ready=waiting > 0,
        waiting=waiting,
        missing=max(0, threshold - balance),
        active=reward.active,
        texts=reward.texts,
    )


def find_next(rewards: Sequence[CardReward]) -> CardReward | None:
    """Return the reward that is not reached yet and is closest, by share of its threshold."""
    ahead = [reward for reward in rewards if reward.active and reward.missing > 0]
    return min(ahead, key=lambda reward: (reward.missing / reward.threshold, reward.missing), default=None)


def card_colors(design: Mapping[str, Any], branding: Mapping[str, Any]) -> CardColors:
    """Return the card's colours: the programme's, else the merchant's, else the default palette's."""
    return replace(_plain_colors(design, branding), ground=str(design.get("ground") or ""))


def _plain_colors(design: Mapping[str, Any], branding: Mapping[str, Any]) -> CardColors:
    for source in (design, branding):
        palette = PALETTES.get(str(source.get("palette", "")))
        own = [_color(source.get(key)) for key in ("background_color", "foreground_color", "accent_color")]
        if palette is None and own[0] is None:
            continue
        base = palette or PALETTES[DEFAULT_PALETTE]
        if not any(own):
            return base
        background = own[0] or base.background
        foreground = own[1] or (base.foreground if own[0] is None else readable_on(background))
        return CardColors("", background, foreground, own[2] or base.accent)
    return PALETTES[DEFAULT_PALETTE]


def card_text(design: Mapping[str, Any], name: str, *languages: str) -> str:
    """Return a text of the design in the first of the languages that has one, else the one for all, else nothing."""
    return own_words(design.get("texts"), name, *languages) or str(design.get(name) or "")


def text_for_all(design: Mapping[str, Any], name: str, *languages: str) -> str:
    """Return a text of the design as card_text does, else in whatever language it was written.

    What has to be on every card, as its terms have, is better read in another language than not at all; and a pass
    has the same lines in each of its languages.
    """
    return card_text(design, name, *languages) or own_words(
        design.get("texts"), name, *design.get("texts", ())
    )


def _color(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and _HEX.fullmatch(value) else None


def readable_on(background: str) -> str:
    """Return white or near-black, whichever stands out more (relative luminance of WCAG 2.2)."""
    channels = [int(background[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if luminance < 0.179 else "#16130a"

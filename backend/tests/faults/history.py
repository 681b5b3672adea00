"""What was asked and answered, call by call, and whether the database says the same."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import asyncpg

Outcome = Literal["ok", "fail", "unknown"]
# What an acknowledged call of each kind is known by.
EFFECT = {"stamp": "visit_id", "points": "visit_id", "redeem": "redemption_id", "join": "pass_id"}


@dataclass
class Call:
    """One thing that a client wanted, with all its tries. effects: what each granted answer named.

    ok: granted. fail: refused, and nobody can have done it. unknown: no answer came, at least once.
    """

    key: str
    kind: str
    outcome: Outcome = "unknown"
    tries: int = 0
    interrupted: int = 0
    code: str = ""
    effects: list[str] = field(default_factory=list)
    stamps: int = 0
    points: int = 0
    seconds: float = 0.0
    recipient: str = ""
    target: str = ""


@dataclass
class History:
    """All calls of a batch. Their keys begin with its mark."""

    mark: str
    calls: list[Call] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def add(self, kind: str) -> Call:
        """Begin a call."""
        call = Call(f"{self.mark}-{len(self.calls):06d}", kind)
        self.calls.append(call)
        return call

    def count(self) -> Counter[str]:
        """Count the calls by outcome, and the tries that were cut off."""
        counts = Counter[str](call.outcome for call in self.calls)
        counts["interrupted"] = sum(call.interrupted for call in self.calls)
        return counts

    def write(self, path: Path) -> None:
        """Write the calls as lines of JSON."""
        path.write_text("".join(json.dumps(asdict(call)) + "\n" for call in self.calls))


@dataclass
class Verdict:
    """What does not agree; all empty: nothing lost, nothing doubled, no halves."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """Return all of it, in words."""
        return [f"{name}: {one}" for name in ("lost", "doubled", "halves") for one in getattr(self, name)]


_KEYS = "SELECT key, scope, answer FROM idempotency_key WHERE starts_with(key, $1)"
_VISITS = """
SELECT visit.id::text AS id, idempotency_key AS key, visit.stamps, visit.points, voided_at IS NOT NULL AS voided,
       (SELECT coalesce(sum(stamps_added), 0) FROM stamp_event e
        WHERE e.merchant_id = visit.merchant_id AND e.visit_id = visit.id AND e.kind = 'earn') AS earned_stamps,
       (SELECT coalesce(sum(points_added), 0) FROM points_event e
        WHERE e.merchant_id = visit.merchant_id AND e.visit_id = visit.id AND e.kind = 'earn') AS earned_points,
       (SELECT coalesce(sum(stamps_added), 0) FROM stamp_event e
        WHERE e.merchant_id = visit.merchant_id AND e.visit_id = visit.id AND e.kind = 'void') AS voided_entries
FROM visit WHERE starts_with(coalesce(idempotency_key, ''), $1)
"""
_REDEMPTIONS = "SELECT id::text AS id FROM redemption"
_CARDS = "SELECT id::text AS id FROM pass_object"
# A total that is not the sum of its entries.
_TOTALS = """
SELECT card.id::text FROM pass_object card
WHERE card.stamp_count <> (SELECT coalesce(sum(stamps_added), 0) FROM stamp_event e
                           WHERE e.merchant_id = card.merchant_id AND e.pass_id = card.id)
   OR card.points_balance <> (SELECT coalesce(sum(points_added), 0) FROM points_event e
                              WHERE e.merchant_id = card.merchant_id AND e.pass_id = card.id)
"""
# An entry whose visit is not there, and a visit nobody asked for.
_ORPHANS = """
SELECT 'entry without its visit ' || e.id FROM stamp_event e WHERE e.visit_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM visit v WHERE v.merchant_id = e.merchant_id AND v.id = e.visit_id)
UNION ALL
SELECT 'entry without its visit ' || e.id FROM points_event e WHERE e.visit_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM visit v WHERE v.merchant_id = e.merchant_id AND v.id = e.visit_id)
UNION ALL
SELECT 'visit without a key ' || id FROM visit WHERE idempotency_key IS NULL
"""


async def compare(history: History, connection: asyncpg.Connection[Any]) -> Verdict:
    """Compare what was answered with what the database holds, both ways."""
    verdict = Verdict(counts=dict(history.count()))
    keys: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.fetch(_KEYS, history.mark):
        keys.setdefault(row["key"], []).append(json.loads(row["answer"] or "{}"))
    visits: dict[str, list[Any]] = {}
    for row in await connection.fetch(_VISITS, history.mark):
        visits.setdefault(row["key"], []).append(row)
    standing = Standing(
        keys=keys,
        visits=visits,
        voided={row["id"] for rows in visits.values() for row in rows if row["voided"]},
        redemptions={row["id"] for row in await connection.fetch(_REDEMPTIONS)},
        cards={row["id"] for row in await connection.fetch(_CARDS)},
    )
    for call in history.calls:
        judge(call, standing, verdict)
    asked = {call.key for call in history.calls}
    verdict.doubled += [f"nobody asked for {key}" for key in (keys.keys() | visits.keys()) - asked]
    verdict.halves += [f"the total of card {row[0]}" for row in await connection.fetch(_TOTALS)]
    verdict.halves += [row[0] for row in await connection.fetch(_ORPHANS)]
    verdict.halves += history.surprises
    return verdict


@dataclass(frozen=True)
class Standing:
    """What the database holds, by key and by id."""

    keys: dict[str, list[dict[str, Any]]]
    visits: dict[str, list[Any]]
    voided: set[str]
    redemptions: set[str]
    cards: set[str]

    def has_effect(self, kind: str, effect: str) -> bool:
        """Tell whether what an answer names is there."""
        if kind == "void":
            return effect in self.voided
        return effect in (self.redemptions if kind == "redeem" else self.cards)


def judge(call: Call, standing: Standing, verdict: Verdict) -> None:
    """Hold one call against what is there: ok once, fail never, unknown once or never; the parts all or none."""
    name = f"{call.kind} {call.key} ({call.outcome}, {call.tries} tries)"
    stored = standing.keys.get(call.key, [])
    visits = standing.visits.get(call.key, [])
    if len(stored) > 1 or len(visits) > 1 or len(set(call.effects)) > 1:
        verdict.doubled.append(
            f"{name}: {len(stored)} keys, {len(visits)} visits, answers {set(call.effects)}"
        )
    if call.outcome == "ok" and not stored:
        verdict.lost.append(name)
    if call.outcome == "fail" and (stored or visits):
        verdict.doubled.append(f"{name}: done, though refused with {call.code}")
    if call.kind in {"stamp", "points"}:
        if len(stored) != len(visits):
            verdict.halves.append(f"{name}: {len(stored)} keys, {len(visits)} visits")
        for row in visits:
            _judge_visit(call, row, name, verdict)
    for answer in stored:
        effect = call.target or str(answer[EFFECT[call.kind]])
        if call.effects and effect != call.effects[0]:
            verdict.doubled.append(f"{name}: answered {call.effects[0]}, stored {effect}")
        if call.kind not in {"stamp", "points"} and not standing.has_effect(call.kind, effect):
            verdict.halves.append(f"{name}: the key is there, the effect is not")


def _judge_visit(call: Call, row: Any, name: str, verdict: Verdict) -> None:
    if (row["stamps"], row["points"]) != (row["earned_stamps"], row["earned_points"]):
        verdict.halves.append(
            f"{name}: a visit of {row['stamps']} stamps and {row['points']} points, other entries"
        )
    if row["voided"] and row["stamps"] and not row["voided_entries"]:
        verdict.halves.append(f"{name}: taken back without its entries")
    if call.outcome == "ok" and (row["id"] != call.effects[0] or row["stamps"] != call.stamps):
        verdict.lost.append(f"{name}: answered {call.effects[0]} with {call.stamps}, there is {row['id']}")

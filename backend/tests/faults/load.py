"""Clients as a shop's phones are: many at once, and each asks again under its key until it knows."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.faults.history import EFFECT, Call, History
from tests.faults.installation import Installation

CLIENTS = 8
TRY_SECONDS_MAX = 6.0
TRIES_MAX = 25
AGAIN_SECONDS = (0.05, 0.4)
PROGRESS_SECONDS_MAX = 120.0
LOAD_SECONDS_MAX = 3_600.0
KINDS, WEIGHTS = ("stamp", "points", "redeem", "void", "join"), (50, 22, 14, 8, 6)


@dataclass
class Load:
    """Clients at work on one shop. answered: how many calls have been granted; grows while the shop serves."""

    place: Installation
    history: History
    seed: int
    answered: int = 0
    stopped: bool = False
    last_visits: list[str] = field(default_factory=list)
    ready_rewards: dict[str, str] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    async def run(self, number: int) -> None:
        """Be one client until told to stop; what was begun is brought to its end."""
        dice = random.Random(f"{self.seed}/{number}")  # noqa: S311 (the same in every run)
        headers = {"X-Forwarded-For": f"198.51.{dice.randrange(256)}.{dice.randrange(256)}"}
        async with self._client(headers) as client:
            while not self.stopped:
                await self.call(client, dice)
                await asyncio.sleep(dice.uniform(0, 0.05))

    @asynccontextmanager
    async def _client(self, headers: dict[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(
            base_url=self.place.base_url, headers=headers, timeout=TRY_SECONDS_MAX
        ) as client:
            yield client

    async def call(self, client: httpx2.AsyncClient, dice: random.Random) -> None:
        """Want one thing, and ask until it is granted, refused, or given up."""
        kind, path, body = self._choose(dice)
        call = self.history.add(kind)
        if kind == "join":
            call.recipient = body["email"] = f"{call.key}@example.com"
        if kind == "void":
            call.target = path.split("/")[2]
        begun = time.monotonic()
        while call.tries < TRIES_MAX:
            call.tries += 1
            try:
                answer = await client.post(path, json=body, headers={"Idempotency-Key": call.key})
            except httpx2.HTTPError:
                call.interrupted += 1
            else:
                if self._settle(call, answer, card=str(body.get("pass_id", ""))):
                    break
            await asyncio.sleep(dice.uniform(*AGAIN_SECONDS))
        call.seconds = time.monotonic() - begun

    def _choose(self, dice: random.Random) -> tuple[str, str, dict[str, Any]]:
        shop = self.place.shop
        card = str(dice.choice(shop.cards).id)
        (kind,) = dice.choices(KINDS, WEIGHTS)
        if kind == "redeem" and self.ready_rewards:
            card, reward = dice.choice(sorted(self.ready_rewards.items()))
            body = {"pass_id": card, "staff_pin": shop.pin, "reward_id": reward}
            return kind, f"/rewards/{shop.store_id}/redeem", body
        if kind == "void" and self.last_visits:
            visit = self.last_visits.pop(dice.randrange(len(self.last_visits)))
            body = {"store_id": str(shop.store_id), "staff_pin": shop.pin, "reason": "typed twice"}
            return kind, f"/visits/{visit}/void", body
        if kind == "join":
            body = {"store_id": str(shop.store_id), "name": "Guest", "email_consent": True}
            return kind, "/passes/create", body
        if kind == "points":
            amount = f"{dice.randrange(1, 40)}.{dice.randrange(100):02d}"
            return (
                kind,
                f"/points/{shop.store_id}",
                {"pass_id": card, "staff_pin": shop.pin, "amount": amount},
            )
        return "stamp", f"/stamp/{shop.store_id}", {"pass_id": card, "staff_pin": shop.pin}

    def _settle(self, call: Call, answer: httpx2.Response, *, card: str) -> bool:
        """Note an answer; tell whether it settles the call."""
        if answer.status_code == 201:
            self._granted(call, answer.json(), card)
            return True
        call.code = str(answer.json().get("code", answer.status_code))
        if answer.status_code in {429, 503}:
            return False
        if answer.status_code >= 500:
            self.history.surprises.append(f"{call.kind} {call.key}: {answer.status_code}")
            return False
        # An earlier try without an answer may have been done all the same.
        call.outcome = "unknown" if call.interrupted else "fail"
        return True

    def _granted(self, call: Call, state: dict[str, Any], card: str) -> None:
        call.outcome = "ok"
        self.answered += 1
        effect = call.target or str(state[EFFECT[call.kind]])
        call.effects.append(effect)
        call.stamps, call.points = int(state.get("stamps_added", 0)), int(state.get("points_added", 0))
        card = card or str(state.get("pass_id", ""))
        self.touched.add(card)
        if call.kind in {"stamp", "points"}:
            self.last_visits = [*self.last_visits, effect][-50:]
        ready = [reward["id"] for reward in state.get("rewards", ()) if reward["ready"]]
        if ready:
            self.ready_rewards[card] = ready[0]
        else:
            self.ready_rewards.pop(card, None)

    def wait_for(self, more: int, *, seconds: float = PROGRESS_SECONDS_MAX) -> None:
        """Wait until so many further calls were granted: the shop serves."""
        wanted, give_up_at = self.answered + more, time.monotonic() + seconds
        while self.answered < wanted:
            assert time.monotonic() < give_up_at, (
                f"{self.answered} granted, {wanted} wanted in {seconds:.0f} s"
            )
            time.sleep(0.01)


@contextmanager
def under_load(place: Installation, mark: str, *, seed: int, clients: int = CLIENTS) -> Iterator[Load]:
    """Have clients at work meanwhile, in a thread of their own; at the end each finishes what it has begun."""
    load = Load(place, History(mark), seed)

    async def all_clients() -> None:
        async with asyncio.timeout(LOAD_SECONDS_MAX):
            await asyncio.gather(*(load.run(number) for number in range(clients)))

    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        work = pool.submit(asyncio.run, all_clients())
        try:
            yield load
        finally:
            load.stopped = True
            work.result(TRIES_MAX * TRY_SECONDS_MAX)

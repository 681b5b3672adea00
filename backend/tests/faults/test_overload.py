"""Five times as much as a real web process takes, and callers who mean harm: the others go on."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.faults.installation import Installation, installation
from tests.faults.running import run

AT_ONCE = 8
OVERLOAD = 5
STORM_SECONDS = 5.0
BACK_SECONDS_MAX = 30.0
SLOW_CLIENTS = 200
CALM = 20


@pytest.fixture(scope="module")
def place() -> Iterator[Installation]:
    """Return an installation with one web process that works on a few requests at once."""
    with installation(STEMPEL_REQUESTS_AT_ONCE=str(AT_ONCE), STEMPEL_WEB_PROCESSES="1") as place:
        place.start_web()
        place.wait_until_ready()
        run(calm(place))
        yield place


@dataclass
class Storm:
    """How long answers took, by what they were."""

    granted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    others: set[Any] = field(default_factory=set)
    hints: set[str | None] = field(default_factory=set)

    async def ask(self, client: httpx2.AsyncClient, place: Installation, number: int) -> int:
        """Ask for a stamp and note the answer."""
        shop = place.shop
        body = {"pass_id": str(shop.cards[number % len(shop.cards)].id), "staff_pin": shop.pin}
        begun = time.monotonic()
        answer = await client.post(
            f"/stamp/{shop.store_id}", json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        took = time.monotonic() - begun
        if answer.status_code == 201:
            self.granted.append(took)
        elif answer.status_code in {429, 503}:
            self.refused.append(took)
            self.hints.add(answer.headers.get("retry-after"))
        else:
            self.others.add((answer.status_code, answer.text[:200]))
        return answer.status_code


def client_of(place: Installation) -> httpx2.AsyncClient:
    """Return a client that opens as many connections as it is asked for."""
    limits = httpx2.Limits(max_connections=500, max_keepalive_connections=500)
    return httpx2.AsyncClient(base_url=place.base_url, timeout=30, limits=limits)


async def calm(place: Installation, count: int = CALM) -> Storm:
    """Ask for one stamp after the other."""
    quiet = Storm()
    async with client_of(place) as client:
        for number in range(count):
            await quiet.ask(client, place, number)
    return quiet


async def storm(place: Installation, clients: int) -> Storm:
    """Have so many clients ask without a pause."""
    made, end = Storm(), time.monotonic() + STORM_SECONDS
    async with client_of(place) as client:

        async def hammer(number: int) -> None:
            while time.monotonic() < end:
                await made.ask(client, place, number)

        await asyncio.gather(*(hammer(number) for number in range(clients)))
    return made


def test_overload_is_refused_quickly_and_over_at_once(place: Installation) -> None:
    """Five times as many as there are places: 503 with Retry-After before anybody granted waits longer; then calm."""
    made = run(storm(place, OVERLOAD * AT_ONCE))
    begun = time.monotonic()
    after = run(calm(place))
    back = time.monotonic() - begun

    granted, refused = statistics.median(made.granted), statistics.median(made.refused)
    print(f"granted {len(made.granted)} in {granted * 1000:.0f} ms each (median)")
    print(f"refused {len(made.refused)} in {refused * 1000:.0f} ms each (median); calm after {back:.1f} s")
    assert made.others == set()
    assert made.hints == {"1"}
    assert len(made.granted) >= AT_ONCE
    assert refused < 1.0
    # Who is granted waits for those with a place, never for the crowd.
    assert granted < 2.0
    assert (len(after.granted), after.refused, after.others) == (CALM, [], set())
    assert back < BACK_SECONDS_MAX


def test_control_as_many_as_there_are_places_are_all_granted(place: Installation) -> None:
    """It is the crowd that is refused: with a client for each place nobody is."""
    made = run(storm(place, AT_ONCE))

    assert made.refused == []
    assert len(made.granted) >= AT_ONCE


def slow_head(place: Installation) -> socket.socket:
    """Begin a request and never end its head."""
    line = socket.create_connection(("127.0.0.1", place.settings.port), timeout=30)
    line.sendall(b"POST /stamp/x HTTP/1.1\r\nHost: loc")
    return line


def slow_body(place: Installation) -> socket.socket:
    """Promise a body and send one byte of it."""
    line = socket.create_connection(("127.0.0.1", place.settings.port), timeout=30)
    head = (
        f"POST /stamp/{place.shop.store_id} HTTP/1.1\r\nHost: localhost:{place.settings.port}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    line.sendall(head.encode())
    return line


def test_slow_clients_keep_nobody_waiting(place: Installation) -> None:
    """Hundreds of half heads and half bodies, many more than there are places: every stamp is given."""
    with ExitStack() as lines:
        for _number in range(SLOW_CLIENTS):
            lines.enter_context(slow_head(place))
            lines.enter_context(slow_body(place))
        meanwhile = run(calm(place))

    assert (len(meanwhile.granted), meanwhile.refused, meanwhile.others) == (CALM, [], set())


async def endless() -> AsyncIterator[bytes]:
    """Yield a body that never ends, at most a hundred megabytes of it."""
    for _number in range(1_600):
        yield b" " * 65_536


async def harm(place: Installation) -> list[tuple[int, str]]:
    """Send what is too large or too deep, and return the answers."""
    path = f"/stamp/{place.shop.store_id}"
    kind = {"content-type": "application/json"}
    # The second comes in many pieces, the third in one.
    bodies: list[Any] = [b" " * 5_000_000, b"[" * 200_000, b"[" * 100 + b"]" * 100]
    bodies.append(json.dumps({"pass_id": "x" * 900_000}).encode())
    answers = []
    async with client_of(place) as client:
        for body in bodies:
            answer = await client.post(path, content=body, headers=kind)
            answers.append((answer.status_code, answer.json()["code"]))
        try:
            answer = await client.post(path, content=endless(), headers=kind)
            answers.append((answer.status_code, answer.json()["code"]))
        except httpx2.HTTPError:
            # Answered and closed while we were still sending.
            answers.append((413, "too_large"))
    return answers


async def harm_and_calm(place: Installation) -> tuple[list[tuple[int, str]], Storm]:
    """Do both at once."""
    answers, quiet = await asyncio.gather(harm(place), calm(place))
    return answers, quiet


def test_huge_and_deep_bodies_are_refused_and_others_go_on(place: Installation) -> None:
    """Too large, too deep, too long, without an end: refused. The stamps asked for meanwhile are all given."""
    answers, quiet = run(harm_and_calm(place))

    deep = [(422, "invalid")] * 3
    assert answers == [(413, "too_large"), *deep, (413, "too_large")]
    assert (len(quiet.granted), quiet.others) == (CALM, set())


async def supervisors_view(place: Installation) -> dict[str, int]:
    """Ask what supervisors, balancers and monitoring ask, in the middle of a storm."""
    asked: dict[str, int] = {}
    async with client_of(place) as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            asked[path] = (await client.get(path)).status_code
    return asked


def test_health_readiness_and_metrics_answer_in_a_storm(place: Installation) -> None:
    """All three say 200 while others are refused."""

    async def both() -> tuple[Storm, dict[str, int]]:
        made, asked = await asyncio.gather(storm(place, OVERLOAD * AT_ONCE), supervisors_view(place))
        return made, asked

    made, asked = run(both())

    assert asked == {"/healthz": 200, "/readyz": 200, "/metrics": 200}
    assert made.refused != []

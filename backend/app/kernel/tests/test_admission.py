"""So many requests at once and no more; the refused are told at once, and nobody holds a place by being slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from app.kernel.tests.small_app import make_app, make_client
from app.kernel.web import admission

JSON = {"accept": "application/json"}
AT_ONCE = 4


class Kitchen:
    """An application with a route that takes until it is told to end."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self.app = make_app(requests_at_once=at_once)
        self.begun, self.end = asyncio.Semaphore(0), asyncio.Event()

        @self.app.get("/long")
        async def get_long() -> Any:
            self.begun.release()
            await self.end.wait()
            return {"ok": True}

        @self.app.post("/twice")
        async def post_twice(request: Request) -> Any:
            """Look at the body again after it failed, as the till's routes do."""
            with suppress(ClientDisconnect):
                return {"length": len(await request.body())}
            return {"length": len(await request.body())}

        @self.app.get("/stream")
        async def get_stream() -> Any:
            async def pieces() -> AsyncIterator[bytes]:
                yield b"first"
                self.begun.release()
                await self.end.wait()

            return StreamingResponse(pieces())

    @asynccontextmanager
    async def busy(self, path: str = "/long", *, count: int = AT_ONCE) -> AsyncIterator[httpx2.AsyncClient]:
        """Have so many requests under way; they end, well, at the end."""
        async with make_client(self.app) as client, asyncio.timeout(20):
            under_way = []
            for _number in range(count):
                under_way.append(asyncio.create_task(client.get(path)))
                await self.begun.acquire()
            yield client
            self.end.set()
            assert {answer.status_code for answer in await asyncio.gather(*under_way)} == {200}


async def test_one_too_many_is_refused_at_once_and_says_when_to_come_back() -> None:
    """503 with Retry-After as a problem, with all protective headers; afterwards there is room again."""
    kitchen = Kitchen()
    async with kitchen.busy() as client:
        refused = await client.get("/address", headers=JSON)
        posted = await client.post("/number", json={"number": 1}, headers=JSON)
    async with make_client(kitchen.app) as client:
        after = await client.get("/address", headers=JSON)

    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
        503,
        "unavailable",
        "1",
    )
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert (posted.status_code, posted.headers["retry-after"]) == (503, "1")
    assert after.status_code == 200


async def test_control_below_the_limit_nobody_is_refused() -> None:
    """One fewer under way: the next is served."""
    async with Kitchen().busy(count=AT_ONCE - 1) as client:
        assert (await client.get("/address", headers=JSON)).status_code == 200


async def test_a_person_reads_it_on_a_page() -> None:
    """A browser gets the error page, with the same status and Retry-After."""
    async with Kitchen().busy() as client:
        page = await client.get("/page", headers={"accept": "text/html"})

    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert page.text.startswith("503 unavailable We are busy.")


async def test_supervisors_are_answered_however_busy_it_is() -> None:
    """A full process is alive: restarting it would make it worse."""
    async with Kitchen().busy() as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_an_answer_that_goes_on_holds_no_place() -> None:
    """Open live pages are not work under way."""
    kitchen = Kitchen()
    async with kitchen.busy("/stream", count=AT_ONCE + 2) as client:
        assert (await client.get("/address", headers=JSON)).status_code == 200


class SlowBody:
    """A POST whose body stops before its end, given to the application as a server would."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.waits, self.goes_on = asyncio.Event(), asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def run(self, path: str = "/number") -> int:
        """Post {"number": 1} in two pieces and return the status."""
        pieces = [b'{"number"', b": 1}"]

        async def receive() -> dict[str, Any]:
            if len(pieces) == 1:
                self.waits.set()
                await self.goes_on.wait()
            if not pieces:
                await asyncio.Event().wait()  # as a server does while the client waits for its answer
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        headers = {"host": "cards.example.com", "content-type": "application/json", "content-length": "13"}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "scheme": "https", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": b"", "client": ("203.0.113.7", 1), "server": ("cards.example.com", 443),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        await self._app(scope, receive, send)
        return int(self.sent[0]["status"])


async def test_slow_bodies_hold_no_place() -> None:
    """Ten times as many clients as there are places send half a body: others are served, and so are they at last."""
    app = make_app(requests_at_once=AT_ONCE)
    slow = [SlowBody(app) for _number in range(10 * AT_ONCE)]
    async with make_client(app) as client, asyncio.timeout(20):
        tasks = [asyncio.create_task(one.run()) for one in slow]
        for one in slow:
            await one.waits.wait()
        meanwhile = await client.post("/number", json={"number": 2}, headers=JSON)
        for one in slow:
            one.goes_on.set()
        statuses = await asyncio.gather(*tasks)

    assert (meanwhile.status_code, meanwhile.json()) == (201, {"number": 2})
    assert set(statuses) == {201}


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time: 408, the connection ends, and the route never ran."""
    monkeypatch.setattr(admission, "BODY_SECONDS_MAX", 0.05)
    slow = SlowBody(make_app())
    async with asyncio.timeout(20):
        status = await slow.run()

    body = json.loads(b"".join(part.get("body", b"") for part in slow.sent[1:]))
    assert (status, body["code"]) == (408, "too_slow")
    assert (b"connection", b"close") in slow.sent[0]["headers"]


@pytest.mark.parametrize("path", ["/number", "/twice"])
async def test_a_body_that_arrives_when_all_places_are_taken_is_refused(path: str) -> None:
    """Slow to arrive, and then there is no room: 503, and nothing was done; also where the body is read again."""
    kitchen = Kitchen()
    slow = SlowBody(kitchen.app)
    task = asyncio.create_task(slow.run(path))
    async with asyncio.timeout(20):
        await slow.waits.wait()
        async with kitchen.busy():
            slow.goes_on.set()
            status = await task

    assert status == 503
    assert (b"retry-after", b"1") in slow.sent[0]["headers"]

"""A worker that stands alone shows its metrics at a port of its own, to whoever has the token."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx2
import pytest

from app.config import Settings
from app.kernel.metrics_port import HEAD_BYTES_MAX, show_metrics
from app.kernel.observability import JOBS
from tests.system.services import free_port

TOKEN = "a-long-metrics-token-for-tests"  # noqa: S105 (a test's)
WAIT_SECONDS_MAX = 20.0


def settings_with(port: int, token: str = TOKEN) -> Settings:
    """Return the settings of a worker with a port."""
    return Settings(worker_metrics_port=port, metrics_token=token)


async def scrape(port: int, path: str = "/metrics", **headers: str) -> httpx2.Response:
    """Ask as Prometheus does."""
    async with httpx2.AsyncClient(timeout=WAIT_SECONDS_MAX) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", headers=headers)


async def test_the_worker_shows_its_jobs_to_the_operator() -> None:
    """With the token: the figures of this process, in Prometheus' format."""
    JOBS.labels("planted.alone", "done").observe(0.2)
    port = free_port()
    async with show_metrics(settings_with(port)):
        answer = await scrape(port, authorization=f"Bearer {TOKEN}")

    assert (answer.status_code, answer.headers["content-type"][:10]) == (200, "text/plain")
    assert 'stempel_job_seconds_count{name="planted.alone",result="done"}' in answer.text


@pytest.mark.parametrize(
    ("token", "given", "path"),
    [
        (TOKEN, "", "/metrics"),
        (TOKEN, f"Bearer {TOKEN}x", "/metrics"),
        (TOKEN, f"Basic {TOKEN}", "/metrics"),
        (TOKEN, f"Bearer {TOKEN}", "/"),
        ("", "Bearer x", "/metrics"),
        ("", "", "/metrics"),
    ],
)
async def test_strangers_are_told_nothing(token: str, given: str, path: str) -> None:
    """404 and not a byte, also where no token is set."""
    port = free_port()
    async with show_metrics(settings_with(port, token)):
        answer = await scrape(port, path, **({"authorization": given} if given else {}))

    assert (answer.status_code, answer.content) == (404, b"")


async def test_whoever_sends_too_much_is_cut_off_and_the_next_is_served() -> None:
    """A head without an end is not collected."""
    port = free_port()
    async with show_metrics(settings_with(port)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * (HEAD_BYTES_MAX * 3))
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            try:
                rest = await reader.read()
            except ConnectionError:
                rest = b""
        writer.close()
        answer = await scrape(port, authorization=f"Bearer {TOKEN}")

    assert rest == b""
    assert answer.status_code == 200


async def test_without_a_port_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default: no server is even made."""

    def refuse(*_given: Any, **_more: Any) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr(asyncio, "start_server", refuse)
    async with show_metrics(Settings()):
        pass


async def test_a_port_that_is_taken_is_no_reason_not_to_work(caplog: pytest.LogCaptureFixture) -> None:
    """The worker goes on, and says it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with show_metrics(settings_with(taken.getsockname()[1])):
            said = [record.msg["event"] for record in caplog.records if record.name == "stempel.metrics"]

    assert said == ["metrics_not_shown"]

"""Traces, sent to a real OTLP receiver: what a stamp and its jobs look like, what is never in them, and who waits."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from sqlalchemy import text

from app.config import Settings
from app.db.session import system_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import enqueue
from app.kernel.jobs.definition import GiveUp
from app.kernel.jobs.enqueue import connection_of
from app.kernel.jobs.runner import JobRunner
from app.kernel.outgoing.client import FetchFailed, OutgoingClient
from app.kernel.tracing import opentelemetry_adapter
from app.kernel.tracing.opentelemetry_adapter import OpenTelemetryTracing, Patient
from app.kernel.tracing.spans import CURRENT, Tracing, outgoing, working_on
from app.kernel.web.proxies import comes_from_proxy, parse_networks
from app.main import create_app
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.wallets.jobs import refresh_card
from app.process import Process, build_process
from app.utils.id_generator import new_id
from app.utils.security import Keyring
from tests.kernel.collector import Collector, running_collector
from tests.runner.helpers import BACKEND, clean_environment

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
WAIT_SECONDS_MAX = 20.0


@dataclass
class Traced:
    """An installation with tracing on, and the collector it sends to."""

    collector: Collector
    process: Process
    app: FastAPI
    client: httpx2.AsyncClient

    def client_at(self, address: str) -> httpx2.AsyncClient:
        """Return a client that comes from this address; it holds nothing that would have to be closed."""
        transport = httpx2.ASGITransport(app=self.app, client=(address, 4000))
        return httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    async def arrived(self) -> Collector:
        """Send what waits, and return the collector."""
        # The drivers tell of a statement in the loop's next turn.
        await asyncio.sleep(0)
        tracing: Any = self.process.resources.get(Tracing)
        await asyncio.to_thread(tracing.send_all)
        return self.collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Return a running collector."""
    with running_collector() as collector:
        yield collector


@pytest.fixture(autouse=True)
def loud_library() -> Iterator[None]:
    """Put the library's loggers back, which an exporter silences."""
    logger = logging.getLogger("opentelemetry")
    before = logger.level
    yield
    logger.setLevel(before)


@asynccontextmanager
async def tracing_on(beside: Process, collector: Collector, **over: Any) -> AsyncIterator[Traced]:
    """Run an installation of its own connections, beside the tests' one, that sends its traces to the collector."""
    given = {"otlp_endpoint": collector.url, "database_pool_size": 2, **over}
    own = beside.settings.model_copy(update=given)
    process = build_process(own, clock=beside.clock, keyring=beside.resources.get(Keyring))
    app = create_app(own, process=process)
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 4000))
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield Traced(collector, process, app, client)
    finally:
        await process.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def traced(process: Process, collector: Collector) -> AsyncIterator[Traced]:
    """Return an installation that traces everything."""
    async with tracing_on(process, collector) as traced:
        yield traced


@dataclass
class Till:
    """A shop, a card in a customer's hand, and the PIN."""

    store: Any
    card: Any
    email: str
    pin: str

    async def stamp(self, client: httpx2.AsyncClient, **headers: str) -> httpx2.Response:
        """Give a stamp."""
        body = {"pass_id": str(self.card.id), "staff_pin": self.pin}
        address = f"/stamp/{self.store.id}?source=secret-query"
        return await client.post(address, json=body, headers=headers)


@pytest_asyncio.fixture(loop_scope="session")
async def till(process: Process) -> Till:
    """Return a till whose cards may be stamped as often as one likes."""
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant, "stamps", cooldown_minutes=0)
    _, pin = await make_staff(process.database, store)
    email = f"guest.{new_id().hex}@example.com"
    card = await make_card(process.database, store, name="Annabelle Zabriskie", email=email)
    return Till(store, card, email, pin)


async def test_a_stamp_is_a_trace_with_its_statements(traced: Traced, till: Till) -> None:
    """The route's template, the status and the number of the answer; below it each statement, by its tables."""
    first = await till.stamp(traced.client)
    second = await till.stamp(traced.client)
    collector = await traced.arrived()
    slow, quick = [span for span in collector.spans if span.kind == "server"]

    assert (first.status_code, second.status_code) == (201, 201)
    assert (slow.name, slow.parent, slow.service) == ("POST /stamp/{store_id}", "", "stempel-web")
    assert slow.attributes == {
        "http.request.method": "POST",
        "http.route": "/stamp/{store_id}",
        "http.response.status_code": 201,
        "stempel.request_id": first.headers["x-request-id"],
    }
    assert quick.attributes["stempel.request_id"] == second.headers["x-request-id"]
    assert quick.trace != slow.trace
    names = [span.name for span in collector.parts_of(slow)]
    assert "COMMIT" in names
    assert any(name.startswith("SELECT") and "pass_object" in name for name in names), names
    # The second one's PIN is remembered: one statement reads, one writes, and no transaction is opened for them.
    at_once = collector.parts_of(quick)
    assert len(at_once) == 2, [span.name for span in at_once]
    assert {span.attributes["db.system.name"] for span in at_once} == {"postgresql"}
    assert all(0 < span.nanoseconds < quick.nanoseconds for span in at_once)


async def test_nothing_of_a_person_leaves(traced: Traced, till: Till) -> None:
    """No PIN, token, address, query, id of a card, shop or customer: in no byte of what is sent."""
    await till.stamp(traced.client, authorization="Bearer a-secret-bearer", cookie="session=a-secret-cookie")
    wrong = await traced.client.post(
        f"/stamp/{till.store.id}", json={"pass_id": str(till.card.id), "staff_pin": "9876543"}
    )
    await traced.client.get("/card/a-secret-link-of-a-card", headers={"user-agent": "a-secret-agent"})
    await traced.client.get("/no-such-page/a-secret-path")
    sent = b"".join((await traced.arrived()).bodies)
    ids = [till.store.id, till.store.merchant_id, till.card.id]

    assert wrong.status_code >= 400
    assert sent.count(b"stempel.request_id") == 4
    for secret in (till.pin, "9876543", "secret", till.email, "Zabriskie", "127.0.0.1", "testserver"):
        assert secret.encode() not in sent, secret
    for one in ids:
        assert str(one).encode() not in sent
        assert UUID(str(one)).bytes not in sent
        assert UUID(str(one)).hex.encode() not in sent
    assert b"/stamp/{store_id}" in sent


async def test_what_machines_ask_is_not_traced(traced: Traced) -> None:
    """Probes and shared files would bury the rest; an unknown page has a span without a route."""
    for path in ("/healthz", "/readyz", "/metrics", "/static/x/y.css", "/nowhere"):
        await traced.client.get(path)
    collector = await traced.arrived()

    assert [span.name for span in collector.spans if span.kind == "server"] == ["GET"]
    assert "http.route" not in collector.one("GET").attributes


async def test_a_bug_is_a_failed_span_without_its_message(process: Process, collector: Collector) -> None:
    """The kind of failure is there; what the exception said, which may quote somebody, is not."""
    async with tracing_on(process, collector) as traced:
        async with system_scope(traced.process.database) as session:
            pass
        tracing = traced.process.resources.get(Tracing)  # type: ignore[type-abstract]
        with working_on(tracing.begin("work", kind="consumer", attributes={})):
            with pytest.raises(Exception, match="no_such_table"):
                async with system_scope(traced.process.database) as session:
                    await session.execute(text("SELECT 'a-secret', 4711 FROM no_such_table"))
            with pytest.raises(Exception, match="division by zero"):
                async with system_scope(traced.process.database) as session:
                    await (await connection_of(session)).fetchval("SELECT 1/0")
        await traced.arrived()
    failed = [span for span in collector.spans if span.is_failed]

    assert {span.attributes["error.type"] for span in failed} == {
        "UndefinedTableError",
        "DivisionByZeroError",
    }
    assert {span.attributes["db.query.text"] for span in failed} == {
        "SELECT ?, ? FROM no_such_table",
        "SELECT ?/?",
    }
    assert b"secret" not in b"".join(collector.bodies)


async def test_a_trace_is_carried_on_from_proxies_of_ours_only(
    process: Process, collector: Collector
) -> None:
    """A stranger can neither join traces of ours nor have his requests kept; the decision travels with the trace."""
    asked = [
        ("127.0.0.1", TRACEPARENT, True),
        ("203.0.113.9", TRACEPARENT, False),
        ("127.0.0.1", TRACEPARENT.upper(), False),
        ("127.0.0.1", f"00-{'0' * 32}-{PARENT}-01", False),
        ("127.0.0.1", f"{TRACEPARENT}-and-more", False),
    ]
    async with tracing_on(process, collector, trusted_proxies=("127.0.0.1",)) as traced:
        for address, given, _is_believed in asked:
            client = traced.client_at(address)
            await client.get("/nowhere", headers={"traceparent": given, "tracestate": "a=secret"})
        await traced.client.get("/nowhere", headers={"traceparent": f"{TRACEPARENT[:-1]}0"})
        spans = (await traced.arrived()).spans

    found = [(span.trace == TRACE, span.parent == PARENT) for span in spans]
    assert found == [(is_believed, is_believed) for _address, _given, is_believed in asked]
    assert b"secret" not in b"".join(collector.bodies)


@pytest.mark.parametrize(
    ("client", "proxies", "is_one"),
    [
        (("127.0.0.1", 1), [], False),
        (("10.1.2.3", 1), ["10.0.0.0/8"], True),
        (("11.1.2.3", 1), ["10.0.0.0/8"], False),
        (None, [], False),
        (None, ["10.0.0.0/8"], True),
    ],
)
def test_who_is_a_proxy(client: tuple[str, int] | None, proxies: list[str], is_one: bool) -> None:
    """The configured networks; a local socket as soon as any is."""
    scope: Any = {"client": client, "headers": [(b"x-forwarded-for", b"10.0.0.1")]}

    assert comes_from_proxy(scope, parse_networks(proxies)) is is_one


@pytest.mark.parametrize(("ratio", "kept"), [(0.0, 0), (1.0, 5)])
async def test_a_part_of_all_traces_is_kept(ratio: float, kept: int, collector: Collector) -> None:
    """None at 0, all at 1; headers and the name of the program go along, compressed, to the address for traces."""
    settings = Settings(
        otlp_endpoint=f"{collector.url}/v1/traces",
        otlp_ratio=ratio,
        otlp_headers="authorization=Bearer%20abc,x-scope-orgid=7",
    )
    tracing = opentelemetry_adapter.open_tracing(settings, program="worker")
    for _number in range(5):
        tracing.begin("work", kind="server", attributes={}).finish()
    await asyncio.to_thread(tracing.send_all)
    await tracing.aclose()

    assert [span.service for span in collector.spans] == ["stempel-worker"] * kept
    if kept:
        wanted = ("Bearer abc", "7", "gzip")
        names = ("authorization", "x-scope-orgid", "content-encoding")
        assert tuple(collector.headers[name] for name in names) == wanted


def runner_of(process: Process, clock: FixedClock) -> JobRunner:
    """Return a worker's runner."""
    return JobRunner(process.database, process.registry, process.settings, clock, resources=process.resources)


async def test_a_job_belongs_to_the_trace_that_queued_it(
    traced: Traced, clock: FixedClock, empty_queue: None
) -> None:
    """The first try is a part of it, with statements below; the next is a trace of its own that points there."""
    tracing = traced.process.resources.get(Tracing)  # type: ignore[type-abstract]
    with working_on(tracing.begin("request", kind="server", attributes={})):
        async with system_scope(traced.process.database) as session:
            job_id = await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
    await runner_of(traced.process, clock).drain()
    async with system_scope(traced.process.database) as session:
        await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
        raw = await connection_of(session)
        before = f"00-{TRACE}-{PARENT}-01"
        await raw.execute(
            "UPDATE pgqueuer SET attempts = 1, headers = headers || jsonb_build_object('traceparent', $1::text)",
            before,
        )
    await runner_of(traced.process, clock).drain()
    collector = await traced.arrived()
    request = collector.one("request")
    first, again = [span for span in collector.spans if span.name == "job wallets.refresh_card"]

    assert (first.trace, first.parent, first.kind) == (request.trace, request.id, "consumer")
    assert first.attributes == {
        "messaging.system": "pgqueuer",
        "messaging.destination.name": "wallets.refresh_card",
        "messaging.message.id": str(job_id),
        "stempel.job.attempt": 1,
        "stempel.job.result": "done",
    }
    assert len(collector.parts_of(first)) >= 3
    assert (again.parent, again.links) == ("", (f"{TRACE}-{PARENT}",))
    assert again.trace not in {TRACE, first.trace}
    assert again.attributes["stempel.job.attempt"] == 2


async def test_a_job_without_a_trace_begins_one_and_says_how_it_failed(
    traced: Traced, clock: FixedClock, empty_queue: None
) -> None:
    """Arguments nobody understands: given up or tried again, by the kind of error only."""
    async with system_scope(traced.process.database) as session:
        await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
        await (await connection_of(session)).execute("UPDATE pgqueuer SET payload = '{\"secret\": 1}'::bytea")
    await runner_of(traced.process, clock).drain()
    span = (await traced.arrived()).one("job wallets.refresh_card")

    assert (span.parent, span.links, span.is_failed) == ("", (), True)
    assert span.attributes["error.type"] == "TypeError"
    assert span.attributes["stempel.job.result"] == "tried_again"
    assert b"secret" not in b"".join(traced.collector.bodies)


async def test_calls_to_the_outside_are_parts_of_a_job(traced: Traced) -> None:
    """A merchant's address is called without being named; its failure is there."""

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise FetchFailed("the name is not known")

    tracing = traced.process.resources.get(Tracing)  # type: ignore[type-abstract]
    client = OutgoingClient(resolve=nowhere)
    with working_on(tracing.begin("job", kind="consumer", attributes={})):
        with pytest.raises(FetchFailed):
            await client.fetch("POST", "https://a-secret-shop.example/hook")
        with pytest.raises(GiveUp), outgoing("SMTP", {"server.address": "mail.example.com"}):
            raise GiveUp("a-secret")
    collector = await traced.arrived()
    call = collector.one("POST (a merchant's address)")

    assert (call.parent, call.kind, call.is_failed) == (collector.one("job").id, "client", True)
    assert call.attributes == {"http.request.method": "POST", "error.type": "FetchFailed"}
    assert collector.one("SMTP").attributes == {"server.address": "mail.example.com", "error.type": "GiveUp"}
    assert b"secret" not in b"".join(collector.bodies)


async def test_the_log_line_names_the_trace(traced: Traced, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has the one finds the other."""
    caplog.set_level(logging.INFO, "stempel.access")
    await traced.client.get("/nowhere")
    line = next(record for record in caplog.records if record.name == "stempel.access")
    span = (await traced.arrived()).one("GET")

    assert isinstance(line.msg, dict)
    assert line.msg["trace_id"] == span.trace
    assert line.msg["request_id"] == span.attributes["stempel.request_id"]


async def test_nobody_waits_for_a_collector_that_does_not_answer(
    process: Process, collector: Collector, till: Till
) -> None:
    """Stamps are given while it holds the first batch in its hand."""
    collector.may_answer.clear()
    async with tracing_on(process, collector) as traced:
        tracing: Any = traced.process.resources.get(Tracing)
        await till.stamp(traced.client)
        sending = asyncio.create_task(asyncio.to_thread(tracing.send_all))
        assert await asyncio.to_thread(collector.asked.wait, WAIT_SECONDS_MAX)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            given = [(await till.stamp(traced.client)).status_code for _number in range(3)]

        assert given == [201, 201, 201]
        assert not sending.done()
        assert collector.bodies == []
        collector.may_answer.set()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await sending


async def test_the_control_sending_in_the_request_makes_it_wait(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a processor that sends at once, the end of a span does not come back before the collector answers."""
    collector.may_answer.clear()
    monkeypatch.setattr(
        opentelemetry_adapter, "BatchSpanProcessor", lambda one, **_given: SimpleSpanProcessor(one)
    )
    tracing = opentelemetry_adapter.open_tracing(Settings(otlp_endpoint=collector.url), program="web")
    span = tracing.begin("work", kind="server", attributes={})
    ending = asyncio.create_task(asyncio.to_thread(span.finish))
    assert await asyncio.to_thread(collector.asked.wait, WAIT_SECONDS_MAX)

    assert not ending.done()
    collector.may_answer.set()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await ending
    await tracing.aclose()


async def test_what_waits_has_a_limit(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the collector holds back, more spans than the queue has room for are lost, the newest are kept."""
    monkeypatch.setattr(opentelemetry_adapter, "QUEUE_MAX", 20)
    monkeypatch.setattr(opentelemetry_adapter, "BATCH_MAX", 10)
    collector.may_answer.clear()
    tracing = opentelemetry_adapter.open_tracing(Settings(otlp_endpoint=collector.url), program="web")
    # The first batch is in the collector's hand, so that nothing leaves the queue meanwhile.
    for _number in range(10):
        tracing.begin("first", kind="server", attributes={}).finish()
    assert await asyncio.to_thread(collector.asked.wait, WAIT_SECONDS_MAX)
    for number in range(500):
        tracing.begin(f"later {number}", kind="server", attributes={}).finish()
    collector.may_answer.set()
    await asyncio.to_thread(tracing.send_all)
    await tracing.aclose()
    later = [span.name for span in collector.spans if span.name != "first"]

    assert len(later) == 20
    assert "later 499" in later
    assert "later 0" not in later


async def test_a_collector_that_is_gone_is_said_once_and_counted(
    process: Process, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests go on; one line when it refuses, one when it is back; the lost are in the metrics."""
    lost = opentelemetry_adapter.LOST
    before = lost._value.get()  # noqa: SLF001 (the library has no way to read a counter)
    collector.status = 400
    async with tracing_on(process, collector) as traced:
        answers = []
        for status in (400, 400, 200, 200):
            collector.status = status
            answers.append((await traced.client.get("/nowhere")).status_code)
            await traced.arrived()
    said = [record.msg["event"] for record in caplog.records if record.name == "stempel.tracing"]

    assert answers == [404] * 4
    assert said == ["traces_not_taken"]
    assert lost._value.get() - before == 2  # noqa: SLF001
    assert len(collector.spans) == 2


@pytest.mark.parametrize(("status", "asked"), [(200, 2), (400, 1)])
async def test_a_process_that_ends_sends_what_waits_but_not_to_a_collector_that_is_gone(
    status: int, asked: int, collector: Collector
) -> None:
    """One that took the last batch gets this one, too; of one that did not nobody asks anything more."""
    collector.status = status
    tracing = opentelemetry_adapter.open_tracing(Settings(otlp_endpoint=collector.url), program="web")
    tracing.begin("first", kind="server", attributes={}).finish()
    await asyncio.to_thread(tracing.send_all)
    tracing.begin("last", kind="server", attributes={}).finish()
    await tracing.aclose()

    assert collector.requests == asked
    assert [span.name for span in collector.spans] == (["first", "last"] if status == 200 else [])


class Broken:
    """An exporter with a bug."""

    def export(self, _spans: Any) -> Any:
        """Fail."""
        raise RuntimeError("no")

    def shutdown(self) -> None:
        """Do nothing."""


async def test_an_error_while_sending_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The thread that sends goes on, and nobody sees a traceback."""
    broken: Any = Broken()
    exporter = Patient(broken)
    tracing = OpenTelemetryTracing(exporter, SimpleSpanProcessor(exporter), program="web", ratio=1)
    for _number in range(2):
        tracing.begin("work", kind="server", attributes={}).finish()
    await tracing.aclose()
    lines = [record.msg for record in caplog.records if record.name == "stempel.tracing"]

    assert [(line["event"], line["reason"]) for line in lines] == [("traces_not_taken", "RuntimeError")]


async def test_off_there_is_nothing_of_it(app: Any, process: Process, client: httpx2.AsyncClient) -> None:
    """No middleware, no watcher on a connection, no resource, no span; FastAPI's own instrumentation is off."""
    middleware = [one.cls.__name__ for one in app.user_middleware]
    async with process.database.direct.acquire() as direct:  # type: ignore[union-attr]
        watchers = len(direct._query_loggers)  # noqa: SLF001 (asyncpg shows them nowhere)
    async with process.database.sessions() as session:
        connection: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        watchers += len(connection._query_loggers)  # noqa: SLF001

    assert "ObserveMiddleware" in middleware
    assert "TracingMiddleware" not in middleware
    assert watchers == 0
    assert not process.database.engine.sync_engine.dispatch.before_cursor_execute
    assert process.resources.find(Tracing) is None  # type: ignore[type-abstract]
    assert CURRENT.get() is None
    with outgoing("SMTP", {}) as span:
        assert span is None


# A provider for the whole process, as `opentelemetry-instrument` sets one: a bare FastAPI sends it paths.
_FOREIGN = """
import asyncio, sys
from opentelemetry import trace
seen = []
class Foreign(trace.NoOpTracer):
    def start_span(self, name, *given, attributes=None, **more):
        seen.append((attributes or {}).get("url.path", name))
        return super().start_span(name, *given, **more)
class Provider(trace.TracerProvider):
    def get_tracer(self, *given, **more):
        return Foreign()
trace.set_tracer_provider(Provider())
import httpx2
from fastapi import FastAPI
import app.worker, app.kernel.jobs.runner
from app.config import Settings
from app.main import create_app
async def ask(app):
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        await client.get("/card/a-key")
    asked, seen[:] = list(seen), []
    return asked
ours = create_app(Settings(data_dir=sys.argv[1], database_url="postgresql://a@localhost:1/x", demo=True))
print("/card/a-key" in asyncio.run(ask(FastAPI())), asyncio.run(ask(ours)))
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter",
    "opentelemetry.proto", "google.protobuf", "requests", "app.kernel.tracing"))))
"""


def test_off_nothing_is_loaded_and_foreign_instrumentation_sees_nothing(tmp_path: Any) -> None:
    """Web and worker load neither SDK nor exporter; a provider of somebody else's gets no path of ours.

    The control: of an application of FastAPI without our switch it does get the path.
    """
    done = subprocess.run(
        [sys.executable, "-c", _FOREIGN, str(tmp_path)],
        cwd=BACKEND,
        env=clean_environment(PYTHONPATH=str(BACKEND)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True []", "['app.kernel.tracing', 'app.kernel.tracing.spans']"]

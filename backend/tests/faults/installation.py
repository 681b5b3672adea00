"""A whole installation to be broken: a database of its own with full durability, two web processes, a worker.

The web processes share one listening socket, which stays open here: what arrives while both are dead waits in it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from app.commands.check import _check_merchants
from app.commands.database import embedded_settings, read_role_passwords
from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade_async
from app.db.session import tenant_scope
from app.kernel.ledger import Violation
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.demo import load_or_make_demo
from app.modules.wallets.apple_wallet.registering import Device, register_device
from app.modules.wallets.google_wallet.accounts import make_key_file
from app.modules.wallets.google_wallet.rules import object_id
from app.modules.wallets.google_wallet.store import expect_object
from app.process import build_process
from tests.faults.forks import Forked, Forks
from tests.faults.outside import Apns, write_mood
from tests.faults.running import run

ISSUER = "3388000000012345678"
CARDS = 24
STAMPS_NEEDED = 4
WEB_PROCESSES = 2
READY_SECONDS_MAX = 120.0
DATABASE_SECONDS_MAX = 60.0
# What stands beside the database, each a process of its own with a folder and a port.
OUTSIDE = ("google", "apns", "smtp", "redis")
# Its address as a setting of the processes; an installation counts in PostgreSQL unless it is given.
WITH_REDIS = {"STEMPEL_REDIS_URL": "redis://127.0.0.1:{redis}/0"}
BUSY = 503


@dataclass(frozen=True)
class FaultShop:
    """The shop that the load goes to. push_tokens: of the phone that holds each card's pass."""

    merchant_id: UUID
    store_id: UUID
    pin: str
    cards: tuple[MadeCard, ...]
    push_tokens: dict[UUID, str]


@dataclass
class Installation:
    """What runs, and how to break it."""

    folder: Path
    settings: Settings
    server: EmbeddedPostgres
    forks: Forks
    sock: socket.socket
    ports: dict[str, int]
    shop: FaultShop
    web: list[Forked] = field(default_factory=list)
    workers: list[Forked] = field(default_factory=list)
    outside: dict[str, Forked] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Return the address of the web processes."""
        return self.settings.public_url

    def start_web(self) -> None:
        """Start one more web process on the socket."""
        number = len(self.web)
        self.web.append(self.forks.start("web", str(self.sock.fileno()), log=f"web{number}"))

    def start_worker(self) -> None:
        """Start one more worker."""
        self.workers.append(self.forks.start("worker", log=f"worker{len(self.workers)}"))

    def start_outside(self, *names: str) -> None:
        """Start stand-ins of the world outside: google, apns, smtp; or redis."""
        for name in names:
            self.outside[name] = self.forks.start(name, str(self.folder / name), str(self.ports[name]))

    def break_outside(self, name: str, dice: random.Random) -> Callable[[], None]:
        """Kill it, starve it, or have it refuse; return what mends it, so that it lasts as long as the caller likes."""
        faults = [self._kill_outside, self._starve_outside]
        if name != "redis":
            faults.append(self._have_refuse)
        return dice.choice(faults)(name)

    def _kill_outside(self, name: str) -> Callable[[], None]:
        self.outside[name].kill()
        return partial(self.start_outside, name)

    def _starve_outside(self, name: str) -> Callable[[], None]:
        self.outside[name].starve()
        return self.outside[name].feed

    def _have_refuse(self, name: str) -> Callable[[], None]:
        write_mood(self.folder / name, 451 if name == "smtp" else BUSY)
        return partial(write_mood, self.folder / name, None)

    def kill_web(self, dice: random.Random) -> None:
        """Kill a web process and start it again."""
        place = dice.randrange(len(self.web))
        self.web[place].kill()
        self.web[place] = self.forks.start("web", str(self.sock.fileno()), log=f"web{place}")

    def kill_worker(self, dice: random.Random) -> None:
        """Kill a worker and start it again."""
        place = dice.randrange(len(self.workers))
        self.workers[place].kill()
        self.workers[place] = self.forks.start("worker", log=f"worker{place}")

    def kill_database(self, dice: random.Random) -> None:
        """Kill the server itself, or one of its processes, which makes it begin anew; start it where it is dead."""
        main = self.server.pid
        assert main is not None, "the database is dead already"
        own = [pid for pid in _children(main)]
        if own and dice.random() < 0.3:
            os.kill(dice.choice(own), signal.SIGKILL)
            return
        os.kill(main, signal.SIGKILL)
        # As the demo's supervisor does it, at the first try.
        self.server.stop()
        self.server.start()

    def wait_until_ready(self) -> None:
        """Wait until the web answers and can reach the database."""
        give_up_at = time.monotonic() + READY_SECONDS_MAX
        while not self._is_ready():
            assert time.monotonic() < give_up_at, f"not ready:\n{self.forks.last_lines('web0')}"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=5)
        try:
            connection.request("GET", "/readyz", headers={"Host": f"localhost:{self.settings.port}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    async def connect(self) -> asyncpg.Connection[Any]:
        """Return a connection of the owner's, who sees everything; the server may be starting still."""
        give_up_at = time.monotonic() + DATABASE_SECONDS_MAX
        while True:
            try:
                return await asyncpg.connect(self.server.admin_url, timeout=10, command_timeout=60)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(0.1)

    async def broken_promises(self) -> list[Violation]:
        """Return what `./stempel check` finds."""
        process = build_process(self.settings)
        try:
            return (await _check_merchants(process))[1]
        finally:
            await process.aclose()


@contextmanager
def installation(folder: Path | None = None, *, cards: int = CARDS, **over: str) -> Iterator[Installation]:
    """Make one, and leave nothing of it behind.

    over: further settings of its processes, as in the environment; {redis} and its like stand for a port.
    """
    # Short, because the database's socket lies in it.
    own = folder or Path(tempfile.mkdtemp(prefix="stempel-faults-"))
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = EmbeddedPostgres(own)
    forks: Forks | None = None
    with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
        ports = {name: _free_port() for name in OUTSIDE}
        given = {name: value.format(**ports) for name, value in over.items()}
        environment = _environment(own, int(sock.getsockname()[1]), ports) | given
        try:
            # Loading the program takes a while; the database is made meanwhile.
            forks = Forks(environment, own, pass_fds=(sock.fileno(),))
            server.start()
            settings = _settings(environment, server)
            forks.environment |= _database_of(settings)
            run(upgrade_async(server.admin_url, **_passwords(settings)))
            shop = run(_open_shop(settings, cards))
            yield Installation(own, settings, server, forks, sock, ports, shop)
        finally:
            if forks is not None:
                forks.close()
            server.stop()
            if folder is None:
                shutil.rmtree(own, ignore_errors=True)


def _passwords(settings: Settings) -> dict[str, str]:
    found = read_role_passwords(settings.data_dir)
    return {"app_password": found.app, "system_password": found.system}


def _environment(folder: Path, port: int, ports: dict[str, int]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STEMPEL_", "PYTEST_"))}
    key = folder / "service-account.json"
    if not key.exists():
        key.write_text(
            json.dumps(
                make_key_file("faults@example.com", token_uri=f"http://127.0.0.1:{ports['google']}/token")
            )
        )
    for name in ports:
        (folder / name).mkdir(exist_ok=True)
    authority = Apns(folder / "apns")
    authority._certificate()
    return kept | {
        "STEMPEL_DEMO": "true",
        "STEMPEL_DATA_DIR": str(folder),
        "STEMPEL_PUBLIC_URL": f"http://localhost:{port}",
        "STEMPEL_PORT": str(port),
        "STEMPEL_LOG_LEVEL": "WARNING",
        # Each client of the load says which address it comes from.
        "STEMPEL_TRUSTED_PROXIES": "127.0.0.1",
        # Above one, limits are counted in the database.
        "STEMPEL_WEB_PROCESSES": str(WEB_PROCESSES),
        "STEMPEL_SMTP_URL": f"smtp://127.0.0.1:{ports['smtp']}",
        "STEMPEL_GOOGLE_SERVICE_ACCOUNT": str(key),
        "STEMPEL_GOOGLE_ISSUER_ID": ISSUER,
        "STEMPEL_GOOGLE_API_URL": f"http://127.0.0.1:{ports['google']}/walletobjects/v1",
        "STEMPEL_APNS_URL": f"https://127.0.0.1:{ports['apns']}",
        "STEMPEL_APNS_CA_FILE": str(authority.ca_file),
    }


def _settings(environment: dict[str, str], server: EmbeddedPostgres) -> Settings:
    prefix = "STEMPEL_"
    given: dict[str, Any] = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix)
    }
    given["trusted_proxies"] = ("127.0.0.1",)
    return embedded_settings(Settings(**given), server.admin_url)


def _database_of(settings: Settings) -> dict[str, str]:
    """Return the two runtime logins; the owner's stays here."""
    return {
        "STEMPEL_DATABASE_URL": settings.database_url,
        "STEMPEL_DATABASE_SYSTEM_URL": settings.database_system_url,
    }


async def _open_shop(settings: Settings, count: int) -> FaultShop:
    """Make a hybrid shop whose cards are held in all wallets."""
    now = datetime.now(UTC)
    demo = load_or_make_demo(settings.data_dir, now)
    process = build_process(settings)
    try:
        await process.open()
        merchant = await make_merchant(process.database)
        rules = {"cooldown_minutes": 0, "visits_per_day": 1_000, "full_card": "carry_on"}
        store = await make_store(
            process.database, merchant, "hybrid", stamps_needed=STAMPS_NEEDED, points_per_unit=1, **rules
        )
        _, pin = await make_staff(process.database, store, role="manager")
        cards = [await make_card(process.database, store, name=f"Guest {number}") for number in range(count)]
        tokens = {card.id: f"{number:064x}" for number, card in enumerate(cards, start=1)}
        async with tenant_scope(process.database, merchant.id) as session:
            for card in cards:
                await _hold(session, card, tokens[card.id], pass_type=demo.pass_type, now=now)
        return FaultShop(merchant.id, store.id, pin, tuple(cards), tokens)
    finally:
        await process.aclose()


async def _hold(session: Any, card: MadeCard, push_token: str, *, pass_type: str, now: datetime) -> None:
    """Have the card in Google Wallet and on a phone with Apple Wallet."""
    row = await session.get(PassObject, (card.merchant_id, card.id))
    row.apple_serial, row.apple_auth_token = str(card.id), "1"
    await session.flush()
    await register_device(session, row, Device(f"device-{card.id.hex}", pass_type, push_token), now=now)
    key = object_id(ISSUER, card.merchant_id, card.id)
    await expect_object(session, card.merchant_id, card.id, object_id=key)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []

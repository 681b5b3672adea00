"""A running installation for tests: web and worker as processes of their own, as in the demo."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.commands.demo import child_environment, is_ready
from app.commands.supervisor import Child, stempel_child, stop_all
from app.config import Settings
from app.db.session import to_async_url

ADMIN_URL = "STEMPEL_TEST_ADMIN_URL"
TEMPLATE = "stempel_template"
BACKEND = Path(__file__).resolve().parents[1]
START_SECONDS_MAX = 60.0
MAIL_SECONDS_MAX = 15.0
_ROW = re.compile(r'href="(/demo/mailbox/[^"]+)"(.*?)(?=href="/demo/mailbox/|</main>)', re.DOTALL)
_LINK = re.compile(r'href="(http[^"]+)"')


@dataclass
class LiveServer:
    """Where it answers, and what a test may turn."""

    settings: Settings
    children: list[Child] = field(default_factory=list)
    clients: list[httpx2.Client] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """Return the address, without a slash at the end."""
        return self.settings.public_url

    def client(self) -> httpx2.Client:
        """Return a client that keeps its cookies; it is closed with the server at the latest."""
        client = httpx2.Client(base_url=self.base_url, timeout=30, follow_redirects=True)
        self.clients.append(client)
        return client

    def move_clock(self, seconds: float) -> None:
        """Put web and worker so many seconds ahead; they read the file five times a second."""
        assert self.settings.clock_file is not None
        self.settings.clock_file.write_text(str(seconds))

    def mail_link(self, recipient: str) -> str:
        """Return the link of the newest mail to an address, from the demo's mailbox."""
        give_up_at = time.monotonic() + MAIL_SECONDS_MAX
        with self.client() as reader:
            while time.monotonic() < give_up_at:
                page = reader.get("/demo/mailbox").text
                for path, row in _ROW.findall(page):
                    if recipient in row:
                        article = reader.get(path).text.partition("<article")[2]
                        return _LINK.findall(article)[0]
        raise AssertionError(f"no mail reached {recipient}:\n{page}")


@contextmanager
def running_server(folder: Path, *, name: str, smtp_url: str = "") -> Iterator[LiveServer]:
    """Start web and worker on a database of their own; end them and drop it. smtp_url: where mails go, if anywhere."""
    run_sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = int(sock.getsockname()[1])
        server = LiveServer(server_settings(folder, name=name, port=port))
        environment = child_environment(server.settings) | {
            "STEMPEL_DATABASE_ALLOW_ASYNC_COMMIT": "true",
            "STEMPEL_LOG_LEVEL": "WARNING",
            "STEMPEL_SMTP_URL": smtp_url,
            # A test may say which address it comes from.
            "STEMPEL_TRUSTED_PROXIES": "127.0.0.1",
            "PYTHONPATH": str(BACKEND),
        }
        descriptor = sock.fileno()
        web = ("serve", "--listen-fd", str(descriptor))
        server.children = [
            stempel_child("web", *web, environment=environment, log_dir=folder, pass_fds=(descriptor,)),
            stempel_child("worker", "worker", environment=environment, log_dir=folder),
        ]
        try:
            for child in server.children:
                child.start()
            _wait(server)
            yield server
        finally:
            for client in server.clients:
                client.close()
            stop_all(server.children)
            run_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def server_settings(folder: Path, *, name: str, port: int) -> Settings:
    """Return the demo's settings on a database of its own."""

    def login(user: str) -> str:
        url = make_url(os.environ[ADMIN_URL]).set(database=name, username=f"stempel_{user}", password=user)
        return url.render_as_string(hide_password=False)

    return Settings(
        database_url=login("app"),
        database_system_url=login("system"),
        database_admin_url="",
        database_allow_async_commit=True,
        data_dir=folder,
        clock_file=folder / "clock",
        public_url=f"http://localhost:{port}",
        port=port,
        demo=True,
    )


def _wait(server: LiveServer) -> None:
    give_up_at = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < give_up_at:
        for child in server.children:
            assert child.alive, f"{child.name} did not start:\n{child.last_lines()}"
        if is_ready(server.settings):
            return
        time.sleep(0.05)
    raise AssertionError(f"not ready after {START_SECONDS_MAX:.0f} s:\n{server.children[0].last_lines()}")


def run_sql(statement: str) -> None:
    """Run a statement as the administrator of the tests' server."""

    async def run() -> None:
        engine = create_async_engine(to_async_url(os.environ[ADMIN_URL]), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    # The tests' own loop may be running in this thread; a thread of its own has none.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, run()).result()

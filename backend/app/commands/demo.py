"""`demo`: database, shop, web and worker in one terminal, ended together."""

from __future__ import annotations

import asyncio
import http.client
import inspect
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from app.commands.database import embedded_settings, migrate
from app.commands.demo_file import moved_to, read_demo, write_demo
from app.commands.demo_screen import Steps, print_welcome
from app.commands.errors import CommandError, StopRequested
from app.commands.network import find_lan_address, listen
from app.commands.operators import in_process
from app.commands.supervisor import Child, monotonic, stempel_child, stop_all
from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.embedded_files import make_data_dir, write_private
from app.kernel.clock import SystemClock
from app.modules.operators.demo import make_demo_operator
from app.modules.wallets.apple_wallet.demo import ROOT_FILE as APPLE_ROOT_FILE
from app.modules.wallets.apple_wallet.demo import load_or_make_demo

READY_SECONDS_MAX = 60.0
WATCH_SECONDS = 0.2
LOADING_MARK = "demo.loading"
PLANS_FILE = Path(__file__).resolve().parents[1] / "demo" / "plans.toml"


@dataclass(frozen=True)
class DemoOptions:
    """What was asked for on the command line."""

    port: int | None = None
    data_dir: Path | None = None
    seed: int = 1
    empty: bool = False
    lan: bool = False
    clock_file: Path | None = None


def run_demo(options: DemoOptions) -> None:
    """Start everything, stay until asked to end, end everything."""
    demo = Demo(options, Console(highlight=False))
    with _stop_signals():
        try:
            demo.prepare()
            demo.watch()
        except StopRequested:
            demo.console.print("\nStopping ...")
        finally:
            _ignore_stop_signals()
            demo.close()
    demo.console.print("Stopped. The data is kept.")


class Demo:
    """One running demo."""

    def __init__(self, options: DemoOptions, console: Console) -> None:
        self.options = options
        self.console = console
        self.server: EmbeddedPostgres | None = None
        self.children: list[Child] = []
        self._stack = ExitStack()

    def prepare(self) -> None:
        """Bring everything up and print where it is; raises CommandError with a sentence."""
        settings, sock = self._settings_and_socket()
        steps = Steps(self.console)
        with steps.shown():
            with steps.step("Starting PostgreSQL"):
                settings = self._start_database(settings)
            with steps.step("Preparing the tables"):
                migrate(settings)
            content = self._demo_content(settings, steps)
            with steps.step("Starting web and worker"):
                self._start_children(settings, sock)
                self._wait_until_ready(settings)
        write_demo(settings.data_dir, content)
        print_welcome(self.console, content, data_dir=str(settings.data_dir), lan=settings.lan)

    def watch(self) -> None:
        """Stay, and start again what dies, until StopRequested."""
        while True:
            time.sleep(WATCH_SECONDS)
            if self.server is not None and self.server.pid is None:
                self.console.print("The database ended unexpectedly; starting it again.")
                self.server.stop()
                self.server.start()
            for child in self.children:
                if child.revive(monotonic()):
                    self.console.print(f"The {child.name} process ended unexpectedly; starting it again.")

    def close(self) -> None:
        """End web and worker, then the database they use."""
        stop_all(self.children)
        if self.server is not None:
            self.server.stop()
        self._stack.close()

    def _settings_and_socket(self) -> tuple[Settings, socket.socket]:
        options = self.options
        given: dict[str, Any] = {"demo": True}
        if options.data_dir is not None:
            given["data_dir"] = options.data_dir.absolute()
        if options.clock_file is not None:
            given["clock_file"] = options.clock_file.absolute()
        if options.lan:
            given["lan"] = True
        if "STEMPEL_PLANS_FILE" not in os.environ:
            given["plans_file"] = PLANS_FILE
        settings = Settings(**given)
        make_data_dir(settings.data_dir)
        port = options.port
        if port is None and "STEMPEL_PORT" in os.environ:
            port = settings.port
        sock = self._stack.enter_context(listen("0.0.0.0" if settings.lan else settings.host, port))
        chosen = int(sock.getsockname()[1])
        if port is None and chosen != settings.port:
            self.console.print(f"Port {settings.port} is in use; taking {chosen} instead.")
        host = find_lan_address() if settings.lan else "localhost"
        public_url = os.environ.get("STEMPEL_PUBLIC_URL", f"http://{host}:{chosen}")
        return settings.model_copy(update={"port": chosen, "public_url": public_url}), sock

    def _start_database(self, settings: Settings) -> Settings:
        if settings.database_url:
            if not settings.database_admin_url:
                raise CommandError(
                    "STEMPEL_DATABASE_URL is set; the demo also needs STEMPEL_DATABASE_ADMIN_URL, the "
                    "owner's login, to make the tables. Unset both to use the embedded database."
                )
            return settings
        server = EmbeddedPostgres(settings.data_dir)
        self._forget_half_loaded(settings.data_dir, server)
        server.start()
        self.server = server
        return embedded_settings(settings, server.admin_url)

    def _forget_half_loaded(self, data_dir: Path, server: EmbeddedPostgres) -> None:
        # A shop that was cut off while it was made looks whole and is not. Nothing in it was
        # anyone's work yet, so it is made again.
        mark = data_dir / LOADING_MARK
        if mark.exists() and read_demo(data_dir) is None:
            with server.holding_folder():
                shutil.rmtree(server.cluster, ignore_errors=True)
                mark.unlink()

    def _demo_content(self, settings: Settings, steps: Steps) -> dict[str, Any]:
        base = settings.public_url.rstrip("/")
        content = read_demo(settings.data_dir)
        if content is not None:
            content = moved_to(content, str(content.get("base_url", base)), base)
        if content is None or not (content.get("merchants") or self.options.empty):
            with steps.step("Making the demo shop" if not self.options.empty else "Starting empty"):
                content = {"merchants": [] if self.options.empty else self._load(settings, steps)}
        operator = content.get("operator") or make_operator(settings)
        root = settings.data_dir / APPLE_ROOT_FILE
        if not settings.apple_certificate:
            load_or_make_demo(settings.data_dir, SystemClock().now())
        return {
            "base_url": base,
            "apple_root_pem": content.get("apple_root_pem") or (str(root) if root.exists() else None),
            "operator": operator,
            "merchants": content["merchants"],
        }

    def _load(self, settings: Settings, steps: Steps) -> list[Any]:
        from app.demo import load_demo

        mark = settings.data_dir / LOADING_MARK
        write_private(mark, "")
        loaded: Any = load_demo(settings, seed=self.options.seed, progress=steps.report)
        if inspect.iscoroutine(loaded):
            loaded = asyncio.run(loaded)
        merchants: list[Any] = list(loaded["merchants"] if isinstance(loaded, Mapping) else loaded)
        # The mark goes only when the file is there: a cut between the two starts over.
        base = settings.public_url.rstrip("/")
        write_demo(settings.data_dir, {"base_url": base, "apple_root_pem": None, "merchants": merchants})
        mark.unlink()
        return merchants

    def _start_children(self, settings: Settings, sock: socket.socket) -> None:
        environment = child_environment(settings)
        descriptor = sock.fileno()
        self.children = [
            stempel_child(
                "web",
                "serve",
                "--listen-fd",
                str(descriptor),
                environment=environment,
                log_dir=settings.data_dir,
                pass_fds=(descriptor,),
            ),
            stempel_child("worker", "worker", environment=environment, log_dir=settings.data_dir),
        ]
        for child in self.children:
            child.start()

    def _wait_until_ready(self, settings: Settings) -> None:
        give_up_at = monotonic() + READY_SECONDS_MAX
        while monotonic() < give_up_at:
            for child in self.children:
                if not child.alive:
                    raise CommandError(
                        f"The {child.name} process did not start; its last lines:\n{child.last_lines()}\n"
                        f"All of its log: {child.log_file}"
                    )
            if is_ready(settings):
                return
            time.sleep(WATCH_SECONDS / 4)
        raise CommandError(
            f"The web process was not ready after {READY_SECONDS_MAX:.0f} s; its last lines:\n"
            f"{self.children[0].last_lines()}"
        )


def make_operator(settings: Settings) -> dict[str, str]:
    """Make the demo's operator, or renew it, and return how to sign in at /operator."""
    return in_process(settings, lambda process, session: make_demo_operator(session, now=process.clock.now()))


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of web and worker: they never get the owner's login."""
    environment = {name: value for name, value in os.environ.items() if name != "STEMPEL_DATABASE_ADMIN_URL"}
    environment |= {
        "STEMPEL_DEMO": "true",
        "STEMPEL_DATABASE_URL": settings.database_url,
        "STEMPEL_DATABASE_SYSTEM_URL": settings.database_system_url,
        "STEMPEL_DATA_DIR": str(settings.data_dir),
        "STEMPEL_PUBLIC_URL": settings.public_url,
        "STEMPEL_PORT": str(settings.port),
        "STEMPEL_LAN": "true" if settings.lan else "false",
    }
    if settings.plans_file is not None:
        environment["STEMPEL_PLANS_FILE"] = str(settings.plans_file)
    if settings.clock_file is not None:
        environment["STEMPEL_CLOCK_FILE"] = str(settings.clock_file)
    return environment


def is_ready(settings: Settings) -> bool:
    """Return whether the web process on this machine says that it can serve."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=2)
    try:
        # Other host names than the public one are refused.
        connection.request("GET", "/readyz", headers={"Host": urlsplit(settings.public_url).netloc})
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    raise StopRequested


@contextmanager
def _stop_signals() -> Iterator[None]:
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _request_stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_stop_signals() -> None:
    # A second Ctrl-C must not leave half of it running; every wait in close() has its own limit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

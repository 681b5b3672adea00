"""Ports and addresses of this machine."""

from __future__ import annotations

import errno
import os
import socket

from app.commands.errors import CommandError

DEFAULT_PORT = 8000
PORTS_TRIED_MAX = 50
BACKLOG = 512
# The first socket that systemd hands to a service (sd_listen_fds(3)).
SYSTEMD_FIRST_FD = 3


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket: on the wished port exactly, or without a wish on the next free one.

    The socket is handed to the web process, so the port cannot be lost in between, and a web
    process that is started again finds the callers still waiting.
    """
    wanted = [port] if port is not None else list(range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED_MAX))
    for candidate in wanted:
        found = _try_listen(host, candidate)
        if found is not None:
            return found
    if port is not None:
        raise CommandError(
            f"Port {port} is already in use. Stop the other program, choose another with --port, "
            "or leave --port out to take the next free one."
        )
    raise CommandError(f"The ports {wanted[0]} to {wanted[-1]} are all in use. Choose one with --port.")


def _try_listen(host: str, port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    # Connections of the previous run linger for a minute; they do not make the port used.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        if error.errno == errno.EACCES:
            raise CommandError(
                f"Port {port} needs more rights than this user has. Choose one above 1023 with --port."
            ) from error
        raise CommandError(f"Listening on {host}:{port} failed ({error.strerror}).") from error
    return sock


def inherited_socket() -> socket.socket | None:
    """Return the listening socket that systemd holds for this service; None where it holds none."""
    count = os.environ.pop("LISTEN_FDS", "")
    process = os.environ.pop("LISTEN_PID", "")
    if process != str(os.getpid()) or not count.isdigit():
        return None
    if int(count) != 1:
        raise CommandError(f"systemd handed over {count} sockets; stempel-web.socket must have one address.")
    return socket.socket(fileno=SYSTEMD_FIRST_FD)


def find_lan_address() -> str:
    """Return this machine's address on the local network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only asks the routing table.
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError as error:
            raise CommandError(
                "This machine is on no network, so a phone cannot reach it. Start without --lan."
            ) from error
    return address

"""Pushes a second over one HTTP/2 connection against h2load, on the same stand-in server.

Limit: h2load (Debian: nghttp2-client) sending the same requests over one connection with 100 streams at once; the
server is nghttpd (Debian: nghttp2-server) over TLS on the loopback. Ours: the product's own client for Apple's push
service, called from asyncio as the worker does. Both send the same headers and body and, as pushes do, each request
to a device of its own: a path repeated is one byte on the line and a file found before. Two things stay in the limit's
favour: h2load has no client certificate (one handshake in the run), and reads no answer's body.
Run: ./stempel bench push [--at-least 0.30]. Both take turns; the median ratio counts.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.modules.wallets.apple_wallet.client import STREAMS_AT_ONCE, CurlPush
from app.modules.wallets.apple_wallet.demo import make_chain
from app.modules.wallets.apple_wallet.identity import Identity
from findings import Figure, Finding

WAVE = 1_000
GOAL = 0.30
DEVICES = 10_000
TOKENS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(DEVICES)]


def main() -> None:
    """Start the server, measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pushes", type=int, default=10_000)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    if not shutil.which("h2load") or not shutil.which("nghttpd"):
        sys.exit("h2load and nghttpd are needed: apt-get install nghttp2-client nghttp2-server")
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as scratch:
        folder = Path(scratch)
        server, port = start_server(folder)
        try:
            ratio = measure(port, folder, options)
        finally:
            server.terminate()
            server.wait(timeout=10)
    if ratio < options.at_least:
        sys.exit(f"ratio {ratio:.2f} is below {options.at_least}")


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start nghttpd with a certificate made on the spot; it answers 200 to the tokens it knows."""
    (folder / "3/device").mkdir(parents=True)
    for token in TOKENS:
        (folder / "3/device" / token).write_bytes(b"")
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=stand-in"
    )
    subject = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make.split(), *subject], cwd=folder, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = ["nghttpd", "-a", "127.0.0.1", "-d", str(folder), str(port), "key.pem", "cert.pem"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return server, port
    server.terminate()
    sys.exit("nghttpd did not start.")


def run_limit(port: int, folder: Path, pushes: int, topic: str) -> float:
    """Return h2load's requests a second."""
    (folder / "body").write_bytes(b"{}")
    command = ["h2load", "-n", str(pushes), "-c", "1", "-m", str(STREAMS_AT_ONCE), "-d", str(folder / "body")]
    addresses = "\n".join(f"https://127.0.0.1:{port}/3/device/{token}" for token in TOKENS)
    (folder / "addresses").write_text(addresses + "\n")
    command += ["-H", f"apns-topic: {topic}", "-H", "content-type: application/json"]
    command += ["-i", str(folder / "addresses")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r", ([0-9.]+) req/s", done.stdout)
    if found is None or f"{pushes} 2xx" not in done.stdout:
        sys.exit(f"h2load failed: {done.stdout[-500:]}")
    return float(found.group(1))


async def run_ours(service: CurlPush, identity: Identity, pushes: int) -> float:
    """Return our pushes a second; WAVE of them wait at a time, as for a card that many hold."""
    started = time.perf_counter()
    for number in range(pushes // WAVE):
        first = number * WAVE % DEVICES
        answers = await service.push_all(identity, TOKENS[first : first + WAVE])
        if {answer.status for answer in answers} != {200}:
            sys.exit(f"pushes failed: {next(answer for answer in answers if answer.status != 200)}")
    return pushes // WAVE * WAVE / (time.perf_counter() - started)


async def run_all(port: int, folder: Path, options: argparse.Namespace) -> list[float]:
    """Let both take turns over their own connection; return the ratios."""
    identity = make_chain()[1]
    service = CurlPush(f"https://127.0.0.1:{port}", str(folder / "cert.pem"))
    ratios: list[float] = []
    try:
        await run_ours(service, identity, WAVE)
        for _ in range(options.rounds):
            limit = run_limit(port, folder, options.pushes, identity.pass_type)
            before = os.times()
            ours = await run_ours(service, identity, options.pushes)
            after = os.times()
            spent = (after.user + after.system - before.user - before.system) / options.pushes
            ratios.append(ours / limit)
            print(
                f"h2load {limit:.0f}/s, ours {ours:.0f}/s ({spent * 1e6:.0f} µs CPU each), ratio {ratios[-1]:.2f}"
            )
    finally:
        await service.aclose()
    return ratios


def measure(port: int, folder: Path, options: argparse.Namespace) -> float:
    """Print the ratios and return their median."""
    finding = Finding("push")
    ratios = asyncio.run(run_all(port, folder, options))
    median = statistics.median(ratios)
    finding.keep(
        [Figure("pushes over one connection against h2load", ratios, goal=GOAL)],
        on=f"nghttpd over TLS, {STREAMS_AT_ONCE} streams, {options.pushes:,} pushes a turn, {DEVICES:,} devices",
    )
    return median


if __name__ == "__main__":
    main()

"""Apple passes a second against bare RSA-2048 signatures of the same OpenSSL, on one core, in CPU time.

A pass here: from the views of a card (read from the database already, in four languages) to the finished bytes of the
.pkpass. Each is another card with a serial, token, number, holder, link and signature of its own; the design and its
eleven strips are known, as they are after a shop's first cards.
Run: ./stempel bench apple_pass [--peers] [--at-least 0.85]. All take turns in one run; the median ratio counts.
--peers installs wallet-py3k, py-pkpass (PyPI) and passkit-generator (npm) into a temporary folder.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.backends.openssl.backend import backend
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from app.kernel.i18n import LANGUAGES, install_catalogues, translator
from app.modules.wallets.apple_wallet.demo import make_chain
from app.modules.wallets.apple_wallet.generator import PassOrder, build_pass
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.pictures import Look
from app.modules.wallets.apple_wallet.strips import StripState, strip_parts
from app.modules.wallets.hooks import PassField
from app.modules.wallets.rules import CardColors, CardReward
from app.modules.wallets.view import CardView, NextReward
from findings import Figure, Finding

ROOT = Path(__file__).resolve().parent.parent

ID = UUID(int=7)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NEEDED = 10
PEER_PASSES = 20
GOAL = 0.85
PEER_GOAL = 50
TURN = 20


def view(locale: str, number: int, kind: str) -> CardView:
    """Return a card of a stamp or a points programme, with its holder's name and a reward ahead."""
    speak = translator(locale)
    stamps, points = number % (NEEDED + 1), number * 37 % 100_000
    is_points = kind == "points"
    if is_points:
        line = PassField("points", speak.gettext("Points"), points, place="header", order=20)
    else:
        change = speak.gettext("You now have %(count)s stamps", count="%@")
        line = PassField(
            "stamps",
            speak.gettext("Stamps"),
            f"{stamps} / {NEEDED}",
            change,
            "header",
            10,
        )
    holder = PassField("holder", speak.gettext("Name"), f"Anna {number}", place="auxiliary", order=30)
    missing = 100_000 - points if is_points else NEEDED - stamps
    reward = CardReward(
        ID,
        kind,
        "Free coffee",
        None,
        points + missing,
        missing == 0,
        0,
        missing,
        active=True,
    )
    unit = ("%(number)s point to go", "%(number)s points to go")
    if not is_points:
        unit = ("%(number)s stamp to go", "%(number)s stamps to go")
    text = speak.ngettext(*unit, missing, number=speak.format_number(missing))
    ahead = NextReward(reward.title, reward.threshold, missing, kind, text) if missing else None
    printed = f"{number:04} 5678 9012"
    return CardView(
        pass_id=ID, merchant_id=ID, program_id=ID, locale=locale, merchant_name="CoffeeLux",
        program_name="CoffeeLux", store_name="Gare", store_names=("Gare", "Ville"), locations=(),
        time_zone="Europe/Luxembourg", loyalty_type=kind,
        colors=CardColors("forest", "#0b5c46", "#ffffff", "#f2b632"), icon="coffee", logo_url=None,
        design_version=1, stamp_count=stamps, stamps_needed=NEEDED, points_balance=points, reward_unlocked=False,
        rewards=(reward,), rewards_waiting=0, next_reward=ahead, customer_name=f"Anna {number}",
        card_number=printed.replace(" ", ""), card_number_printed=printed, barcode_text=printed.replace(" ", ""),
        status="active", revision=1, update_tag=1, changed_at=NOW, last_visit_at=None, fields=(line, holder),
        change_message="",
    )  # fmt: skip


def make_order(identity: Identity, number: int, kind: str) -> PassOrder:
    """Return what a pass is made of: nothing of one card is another's."""
    serial = uuid4()
    return PassOrder(
        identity=identity,
        serial=str(serial),
        token=f"{serial.hex}{number:011}",
        service_url="https://example.org/apple/updates",
        card_url=f"https://example.org/card/{serial}?t={serial.hex}",
        views={language: view(language, number, kind) for language in LANGUAGES},
        base="en",
        now=NOW,
    )


@dataclass
class Work:
    """Something to be timed. ready: makes what a turn needs, outside the time that counts."""

    ready: Callable[[int], Any]
    do: Callable[[Any], Any]


def time_each(works: dict[str, Work], numbers: range) -> dict[str, float]:
    """Return the CPU seconds of one piece of each work; they take turns, so that a busy moment meets all."""
    spent = dict.fromkeys(works, 0.0)
    for start in range(numbers.start, numbers.stop, TURN):
        for name, work in works.items():
            pieces = [work.ready(number) for number in range(start, min(start + TURN, numbers.stop))]
            started = time.process_time()
            for piece in pieces:
                work.do(piece)
            spent[name] += time.process_time() - started
    return {name: seconds / len(numbers) for name, seconds in spent.items()}


def measure_strips() -> None:
    """Print what strips cost: the first of a look, and another count of the same look."""
    strip_parts(
        Look("#000000", "#ffffff", "#f2b632", "coffee"), StripState(1, NEEDED)
    )  # opens Pillow and the icon
    looks = [Look(f"#1234{number:02x}", "#ffffff", "#f2b632", "coffee") for number in range(10)]
    for name, count in (
        ("drawn for a new look", 7),
        ("pasted from the look's parts", 6),
        ("kept", 6),
    ):
        state = StripState(count, NEEDED)
        work = Work(looks.__getitem__, lambda look, state=state: strip_parts(look, state))
        spent = time_each({name: work}, range(len(looks)))[name]
        size = sum(part.size for part in strip_parts(looks[0], StripState(count, NEEDED)))
        print(f"a strip in three sizes, {name}: {spent * 1_000:.2f} ms, {size} bytes")


def write_for_peers(folder: Path, identity: Identity, data: bytes) -> None:
    """Unpack one of our passes and write certificates and key where the peers read them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (folder / "pass.json").write_bytes(archive.read("pass.json"))
        for name in archive.namelist():
            if name not in {"pass.json", "manifest.json", "signature"}:
                archive.extract(name, folder / "files")
    (folder / "leaf.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    (folder / "wwdr.pem").write_bytes(identity.wwdr.public_bytes(Encoding.PEM))
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"bench"))
    (folder / "key.pem").write_bytes(key)


def install_peers(folder: Path) -> dict[str, list[str]]:
    """Return the command of each peer that could be installed; say which could not."""
    python = folder / "venv/bin/python"
    venv.create(folder / "venv", with_pip=True)
    commands = {
        "wallet-py3k": (
            [python, "-m", "pip", "install", "-q", "wallet-py3k"],
            [python, "wallet"],
        ),
        "py-pkpass": (
            [python, "-m", "pip", "install", "-q", "py-pkpass"],
            [python, "py_pkpass"],
        ),
        "passkit-generator": (
            ["npm", "install", "--silent", "passkit-generator"],
            ["node", ""],
        ),
    }
    (folder / "package.json").write_text("{}")
    peers: dict[str, list[str]] = {}
    for name, (install, (program, module)) in commands.items():
        try:
            subprocess.run(list(map(str, install)), cwd=folder, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            print(f"{name}: could not be installed")
            continue
        script = ROOT / "bench/peers" / ("python_pass.py" if module else "passkit_generator.mjs")
        peers[name] = [str(part) for part in (program, script, module, folder, PEER_PASSES) if part]
    return peers


def run_peer(command: list[str], folder: Path) -> float | None:
    """Return the CPU seconds of one pass of a peer, or None."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"a peer failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return float(json.loads(done.stdout)["seconds"])


def keep(finding: Finding, ratios: dict[str, list[float]], options: argparse.Namespace) -> None:
    """Keep the ratios; peers as so many times slower than our stamp cards."""
    ours = ratios["ours, stamps"]
    figures = [
        Figure("signed passes of stamp cards against bare signatures", ours, goal=GOAL),
        Figure("the same for points cards", ratios["ours, points"]),
    ]
    for name in ratios.keys() - {"ours, stamps", "ours, points"}:
        times = [mine / its for mine, its in zip(ours, ratios[name], strict=False)]
        goal = PEER_GOAL if name == "passkit-generator" else None
        figures.append(Figure(f"times as fast as {name}", times, goal=goal, digits=0))
    finding.keep(
        figures,
        on=f"one core, CPU time, {options.passes} passes a turn in four languages; {backend.openssl_version_text()}",
    )


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--passes", type=int, default=400)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    finding = Finding("apple_pass")
    install_catalogues(sorted((ROOT / "backend/app/modules").glob("*/locale")))
    measure_strips()
    identity = make_chain()[1]
    orders = [make_order(identity, number, "stamps") for number in range(NEEDED + 1)]
    sizes = [len(build_pass(order)) for order in orders]
    print(f"a pass: {statistics.mean(sizes):.0f} bytes; {backend.openssl_version_text()}")
    # What was imported is not searched again by the garbage collector because the bench makes many orders.
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as scratch:
        folder = Path(scratch)
        write_for_peers(folder, identity, build_pass(orders[7]))
        peers = install_peers(folder) if options.peers else {}
        bare_work = Work(
            lambda number: b"%d" % number, lambda data: identity.key.sign(data, PKCS1v15(), SHA256())
        )
        works = {"bare": bare_work}
        for kind in ("stamps", "points"):
            works[f"ours, {kind}"] = Work(
                lambda number, kind=kind: make_order(identity, number, kind), build_pass
            )
        ratios: dict[str, list[float]] = {}
        for round_number in range(options.rounds):
            span = range(round_number * options.passes, (round_number + 1) * options.passes)
            spent: dict[str, float | None] = dict(time_each(works, span))
            bare = spent.pop("bare") or 0.0
            spent |= {name: run_peer(command, folder) for name, command in peers.items()}
            print(
                f"bare {bare * 1e3:.3f} ms",
                *(f"{k} {v * 1e3:.3f} ms" for k, v in spent.items() if v),
                sep="; ",
            )
            for name, seconds in spent.items():
                if seconds:
                    ratios.setdefault(name, []).append(bare / seconds)
    keep(finding, ratios, options)
    for name, found in ratios.items():
        print(f"{name}: ratio {statistics.median(found):.3f} (from {min(found):.3f} to {max(found):.3f})")
    ours = statistics.median(ratios["ours, stamps"])
    for name in peers.keys() & ratios.keys():
        print(f"ours is {ours / statistics.median(ratios[name]):.0f} times {name}")
    if ours < options.at_least:
        sys.exit(f"ratio {ours:.2f} is below {options.at_least}")


if __name__ == "__main__":
    main()

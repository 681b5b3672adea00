"""Passes read by other projects' programs: KDE's KPkPass, npm's passkit-generator, GNUstep's plparse, openssl.

None of them compares the manifest's hashes or the team with the certificate; our own checker does, on each sample.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.demo import ROOT_FILE
from app.modules.wallets.apple_wallet.tests.checking import OpenedPass, open_pass

pytestmark = pytest.mark.system

READERS = Path(__file__).parent / "wallet_readers"
LOCALES = ("en", "fr", "de", "lb")
NAMES = ("Anna Müller", "☕️ 🎂 Zoë", "مقهى القمر", "N" * 200, 'Quote " \\ %@ <b>')
BUILD_SECONDS_MAX, READ_SECONDS_MAX = 300, 120


@dataclass(frozen=True)
class Sample:
    """A pass as a phone gets it: the file, its contents unpacked, and what our own checker read."""

    file: Path
    folder: Path
    opened: OpenedPass


def run(command: list[str], **over: Any) -> str:
    """Run a program; its words on standard error are a failure, too."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=READ_SECONDS_MAX, check=False, **over
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def kpkpass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the small program around KDE's library."""
    program = tmp_path_factory.mktemp("kpkpass") / "read_pass"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "Qt5Gui"], capture_output=True, text=True, check=True
    )
    source = str(READERS / "read_pass.cpp")
    command = ["g++", "-std=c++17", "-fPIC", "-I/usr/include/KPim", "-I/usr/include/KPim/KPkPass", source]
    command += ["-o", str(program), "-lKPimPkPass", *flags.stdout.split()]
    subprocess.run(command, check=True, timeout=BUILD_SECONDS_MAX)
    return program


@pytest.fixture(scope="module")
def passkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install npm's passkit-generator as locked beside its reader."""
    folder = tmp_path_factory.mktemp("passkit")
    for name in ("package.json", "package-lock.json", "read_pass.mjs"):
        shutil.copy(READERS / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, timeout=BUILD_SECONDS_MAX, capture_output=True)
    return folder / "read_pass.mjs"


async def make_sample(client: Any, settings: Settings, card: Any, folder: Path) -> Sample:
    """Download a pass and look at it with our own checker."""
    answer = await client.get(f"/passes/apple/{card.id}?t={card.token}")
    assert answer.status_code == 200, answer.text
    place = folder / str(card.id)
    checked, unpacked = place / "checked", place / "unpacked"
    checked.mkdir(parents=True)
    opened = open_pass(answer.content, (settings.data_dir / ROOT_FILE).read_bytes(), checked)
    file = place / "card.pkpass"
    file.write_bytes(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(unpacked)
    return Sample(file, unpacked, opened)


@pytest.fixture
async def samples(client: Any, database: Any, settings: Settings, tmp_path: Path) -> list[Sample]:
    """Return a pass of every kind: programmes, languages, names, balances, a voided one."""
    made: list[Sample] = []
    for loyalty_type in ("stamps", "points", "hybrid"):
        for locale in LOCALES:
            merchant = await make_merchant(database, locale=locale)
            store = await make_store(database, merchant, loyalty_type)
            for stamps, points in ((0, 0), (10, 1_000_000)):
                balances = {
                    "stamps": stamps if loyalty_type != "points" else 0,
                    "points": points if loyalty_type != "stamps" else 0,
                }
                card = await make_card(database, store, locale=locale, **balances)
                made.append(await make_sample(client, settings, card, tmp_path))
    for name in NAMES:
        store = await make_store(database, await make_merchant(database, name=name), "hybrid", name=name[:80])
        card = await make_card(database, store, name=name)
        made.append(await make_sample(client, settings, card, tmp_path))
    store = await make_store(database, await make_merchant(database))
    blocked = await make_card(database, store, columns={"status": "blocked"})
    made.append(await make_sample(client, settings, blocked, tmp_path))
    return made


def read_lines(text: str) -> Iterator[dict[str, Any]]:
    """Return what a reader printed, a pass a line."""
    return (json.loads(line) for line in text.splitlines())


def shown(sample: Sample) -> dict[str, str]:
    """Return the fields as pass.json has them."""
    return {
        field["key"]: field["value"]
        for group in sample.opened.content["storeCard"].values()
        for field in group
    }


async def test_kpkpass_reads_every_sample(samples: list[Sample], kpkpass: Path) -> None:
    """KDE's library shows each pass with its code, pictures at 2x, colours and the address of updates."""
    environment = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    read = list(read_lines(run([str(kpkpass), *(str(one.file) for one in samples)], env=environment)))

    assert len(read) == len(samples) == 30
    for sample, found in zip(samples, read, strict=True):
        content = sample.opened.content
        assert found["is_store_card"] is True
        assert (found["serial"], found["organization"]) == (
            content["serialNumber"],
            content["organizationName"],
        )
        assert found["barcode"] == content["barcodes"][0]["message"]
        assert found["images"]["strip"] == "750x288"
        assert "0x0" not in found["images"].values()
        path = f"/apple/updates/v1/passes/{content['passTypeIdentifier']}/{content['serialNumber']}"
        assert found["update_url"] == f"http://testserver{path}"
        assert set(found["fields"]) == set(shown(sample))
        assert all(found["fields"].values())


async def test_passkit_generator_reads_every_sample(samples: list[Sample], passkit: Path) -> None:
    """npm's library validates pass.json against its own schema and finds every field."""
    read = list(read_lines(run(["node", str(passkit), *(str(one.folder) for one in samples)])))

    assert len(read) == len(samples) == 30
    for sample, found in zip(samples, read, strict=True):
        content = sample.opened.content
        assert found["type"] == "storeCard"
        assert (found["serial"], found["barcode"]) == (
            content["serialNumber"],
            content["barcodes"][0]["message"],
        )
        assert found["voided"] is content.get("voided", False)
        assert found["fields"] == shown(sample)
    # The control: a null, the commonest mistake of all, is found.
    broken = samples[0].folder / "pass.json"
    broken.write_text(json.dumps(samples[0].opened.content | {"teamIdentifier": None}))
    done = subprocess.run(
        ["node", str(passkit), str(samples[0].folder)], capture_output=True, text=True, check=False
    )
    assert "teamIdentifier" in done.stderr


async def test_plparse_reads_every_text(samples: list[Sample]) -> None:
    """GNUstep's own parser of .strings takes all of them; its control is a file with a colon."""
    texts = [str(path) for one in samples for path in sorted(one.folder.glob("*.lproj/pass.strings"))]
    assert len(texts) == 4 * len(samples)
    wrong = samples[0].folder / "wrong.strings"
    wrong.write_bytes(b"\xff\xfe" + '"a" : "b";\n'.encode("utf-16-le"))

    said = [
        subprocess.run(["plparse", *files], capture_output=True, text=True, check=False).stderr
        for files in (texts, [str(wrong)])
    ]

    assert [words.count(" - a dictionary") for words in said] == [len(texts), 0]

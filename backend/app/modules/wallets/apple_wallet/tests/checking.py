"""A checker of passes for what no other tool looks at, and openssl's own opinion of the signature."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from PIL import Image

from app.modules.wallets.apple_wallet.schema import check_pass

SIZES = {"icon": (29, 29), "logo": (160, 50), "strip": (375, 144)}


@dataclass(frozen=True)
class OpenedPass:
    """What is in a pass that passed every check."""

    content: dict[str, Any]
    files: dict[str, bytes]
    strings: dict[str, dict[str, str]]

    def field(self, key: str) -> dict[str, Any]:
        """Return a field of the card by its key."""
        return next(one for group in self.content["storeCard"].values() for one in group if one["key"] == key)


def open_pass(data: bytes, root_pem: bytes, folder: Path) -> OpenedPass:
    """Open a pass and check all of it; fails with what is wrong."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
        assert len(files) == len(archive.namelist()), "a file is there twice"
    manifest, signature = files.pop("manifest.json"), files.pop("signature")
    hashes = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
    assert json.loads(manifest) == hashes
    content = json.loads(files["pass.json"])
    check_pass(content)
    _check_openssl(manifest, signature, root_pem, folder)
    _check_certificates(signature, content, root_pem)
    _check_pictures(files)
    names = [name for name in files if name.endswith("pass.strings")]
    assert sorted(names) == [f"{lang}.lproj/pass.strings" for lang in ("de", "en", "fr", "lb")]
    return OpenedPass(content, files, {name[:2]: read_strings(files[name]) for name in names})


def _check_openssl(manifest: bytes, signature: bytes, root_pem: bytes, folder: Path) -> None:
    for name, data in (("manifest.json", manifest), ("signature", signature), ("root.pem", root_pem)):
        (folder / name).write_bytes(data)
    command = "openssl cms -verify -binary -inform DER -in signature -content manifest.json -CAfile root.pem"
    run = subprocess.run([*command.split(), "-purpose", "any"], cwd=folder, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == manifest
    shown = ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", "signature"]
    text = subprocess.run(shown, cwd=folder, capture_output=True, check=True).stdout.decode()
    assert "signingTime" in text
    assert "eContent: <ABSENT>" in text
    assert "sha256" in text


def _check_certificates(signature: bytes, content: dict[str, Any], root_pem: bytes) -> None:
    both = pkcs7.load_der_pkcs7_certificates(signature)
    assert len(both) == 2
    (leaf,) = [one for one in both if one.subject.get_attributes_for_oid(NameOID.USER_ID)]
    (wwdr,) = [one for one in both if one is not leaf]
    leaf.verify_directly_issued_by(wwdr)
    wwdr.verify_directly_issued_by(x509.load_pem_x509_certificate(root_pem))
    assert leaf.subject.get_attributes_for_oid(NameOID.USER_ID)[0].value == content["passTypeIdentifier"]
    unit = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert unit[0].value == content["teamIdentifier"]


def _check_pictures(files: dict[str, bytes]) -> None:
    for stem, (width, height) in SIZES.items():
        for scale in (1, 2, 3):
            name = f"{stem}.png" if scale == 1 else f"{stem}@{scale}x.png"
            with Image.open(io.BytesIO(files[name])) as picture:
                assert picture.format == "PNG"
                assert picture.width <= width * scale
                assert picture.height <= height * scale


def read_strings(data: bytes) -> dict[str, str]:
    """Read a .strings file of ours strictly."""
    assert data[:2] == b"\xff\xfe"
    pairs: dict[str, str] = {}
    for line in data[2:].decode("utf-16-le").splitlines():
        key, value = line.removesuffix(";").split(" = ")
        pairs[json.loads(key)] = json.loads(value)
    return pairs


def root_pem_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)

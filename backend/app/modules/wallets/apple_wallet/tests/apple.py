"""Apple as the tests play it: an authority that answers certificate requests, and the dashboard's form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from app.modules.wallets.apple_wallet.demo import make_certificate, name_of
from app.modules.wallets.apple_wallet.identity import write_key

URL = "/dashboard/wallets/apple"
TYPE, TEAM = "pass.com.example.loyalty", "ABCDE12345"
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
YEAR = (START - timedelta(days=1), START + timedelta(days=364))


def spare_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Return a key of the run; numbers tell them apart."""
    return _made_key(number)


@cache
def _made_key(_number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Authority:
    """An intermediate of Apple's, of a generation, and what it signs."""

    generation: str
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def answer(
        self, request_pem: str, *, pass_type: str = TYPE, team: str = TEAM, valid: Any = YEAR
    ) -> bytes:
        """Return pass.cer for a certificate request."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        assert request.is_signature_valid
        assert request.public_key().key_size == 2048
        return self._issue(request.public_key(), pass_type=pass_type, team=team, valid=valid)

    def leaf(self, number: int = 0, *, pass_type: str = TYPE, team: str = TEAM, valid: Any = YEAR) -> bytes:
        """Return a certificate for a key of the run, DER."""
        return self._issue(spare_key(number).public_key(), pass_type=pass_type, team=team, valid=valid)

    def _issue(self, public: Any, *, pass_type: str, team: str, valid: Any) -> bytes:
        subject = name_of(f"Pass Type ID: {pass_type}", uid=pass_type, unit=team)
        issuer = (self.certificate.subject, self.key)
        made = make_certificate(subject, key=_Public(public), issuer=issuer, pass_type=pass_type, valid=valid)
        return made.public_bytes(Encoding.DER)

    @property
    def cer(self) -> bytes:
        """Return the intermediate as Apple's page offers it."""
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class _Public:
    """Only the public half of a key, where a certificate is all that is made."""

    public: Any

    def public_key(self) -> Any:
        """Return it."""
        return self.public


def authority(generation: str = "G4", *, valid: Any = None) -> Authority:
    """Return Apple's authority of a generation, the same for the whole run."""
    return _made_authority(generation, valid)


@cache
def _made_authority(generation: str, valid: Any) -> Authority:
    key = rsa.generate_private_key(65537, 2048)
    name = name_of("Apple Worldwide Developer Relations Certification Authority", unit=generation)
    return Authority(generation, key, make_certificate(name, key=key, valid=valid))


def p12(leaf: bytes, number: int = 0, password: bytes = b"secret", more: Any = ()) -> bytes:
    """Return certificate and key as Keychain exports them."""
    certificate = x509.load_der_x509_certificate(leaf)
    lock = BestAvailableEncryption(password)
    return pkcs12.serialize_key_and_certificates(
        b"pass", spare_key(number), certificate, list(more) or None, lock
    )


def key_pem(number: int = 0, password: bytes = b"") -> bytes:
    """Return a key of the run as PEM, encrypted where a password is given."""
    if not password:
        return write_key(spare_key(number))
    key = load_pem_private_key(write_key(spare_key(number)), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


class Desk:
    """The merchant at the dashboard's page."""

    def __init__(self, client: Any, merchant: Any) -> None:
        self.client, self.merchant = client, merchant
        self.leaf = b""

    async def page(self) -> str:
        """Open the page."""
        answer = await self.client.get(URL, headers=self.merchant.headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def post(self, path: str = "", *, files: Any = None, **data: str) -> Any:
        """Send a form of the page, as a browser does."""
        page = await self.page()
        token = page.split('name="csrf" value="')[1].split('"')[0]
        jar = [*self.merchant.cookies.items(), *self.client.cookies.items()]
        cookies = "; ".join(f"{name}={value}" for name, value in jar)
        headers = {**self.merchant.headers, "Cookie": cookies}
        sent = {"files": files} if files else {}
        return await self.client.post(URL + path, data={"csrf": token, **data}, headers=headers, **sent)

    async def upload(
        self,
        certificate: bytes = b"",
        *,
        key: bytes = b"",
        wwdr: bytes = b"",
        name: str = "pass.cer",
        **data: str,
    ) -> Any:
        """Upload files under the names that the operator's settings have."""
        files = {"apple_certificate": (name, certificate), "apple_key": ("pass.key", key)}
        files["apple_wwdr"] = ("wwdr.cer", wwdr)
        return await self.post(files={field: file for field, file in files.items() if file[1]}, **data)

    async def request(self) -> str:
        """Make the certificate request and download it."""
        assert (await self.post("/request")).status_code == 303
        answer = await self.client.get(f"{URL}/request", headers=self.merchant.headers)
        assert answer.status_code == 200
        return answer.text

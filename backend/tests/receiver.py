"""Another program on the loopback that takes requests over TLS, and the network that leads every address to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpcore2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.kernel.clock import SystemClock
from app.kernel.outgoing.client import Fetched, OutgoingClient

HOST = "hooks.example.com"
PUBLIC = "93.184.215.14"


def certified(folder: Path) -> ssl.SSLContext:
    """Return a server's context with a certificate for HOST, made now; clients trust it by the folder's ca.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    both = folder / "both.pem"
    both.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


@dataclass
class Receiver:
    """The other program: keeps what came, and answers what it is told to."""

    folder: Path
    status: int = 200
    headers: tuple[str, ...] = ()
    body: bytes = b"thanks"
    hangs: bool = False
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    resolved: str = PUBLIC
    patience: timedelta | None = None
    asked_for: list[timedelta] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        context = certified(self.folder)
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])
        }
        self.came.append((headers, await reader.readexactly(int(headers["content-length"]))))
        if self.meanwhile is not None:
            await self.meanwhile()
        if not self.hangs:
            lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}", *self.headers, "", ""]
            writer.write("\r\n".join(lines).encode() + self.body)
            await writer.drain()
            writer.close()

    def client(self) -> OutgoingClient:
        """Return the product's client, whose network leads every public address here."""
        receiver = self

        class Network(httpcore2.AnyIOBackend):
            async def connect_tcp(self, host: str, port: int, **rest: Any) -> Any:
                return await super().connect_tcp("127.0.0.1", receiver.port, **rest)

        async def resolve(host: str, port: int) -> list[str]:
            return [receiver.resolved]

        class Impatient(OutgoingClient):
            """Waits for less than it was told, where a test has no fifteen seconds."""

            async def fetch(self, method: str, url: str, **options: Any) -> Fetched:
                receiver.asked_for.append(options["time_max"])
                return await super().fetch(
                    method, url, **options | {"time_max": receiver.patience or options["time_max"]}
                )

        trusted = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        return Impatient(resolve=resolve, backend=Network(), ssl_context=trusted)

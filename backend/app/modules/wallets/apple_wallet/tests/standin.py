"""A push service of our own: HTTP/2 over TLS on the loopback, answering what a test tells it to."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
from collections import deque
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.modules.wallets.apple_wallet.demo import VALID
from app.modules.wallets.apple_wallet.identity import write_key

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME
Reply = tuple[int, dict[str, Any]] | str


class StandInApns:
    """Answers pushes. plan: replies still to give ("hang", "goaway" or status and body); then 200."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: deque[Reply] = deque()
        self.always: Reply | None = None
        self.pushes: list[tuple[str, str, bytes]] = []
        self.connections = 0
        # The certificate that each connection was made with, DER.
        self.clients: list[bytes] = []
        self.ca_file = folder / "apns-ca.pem"
        self._server: asyncio.Server | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    @property
    def url(self) -> str:
        """Return its address."""
        assert self._server is not None
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen."""
        self._context.load_cert_chain(self._certificate())
        self._context.set_alpn_protocols(["h2"])
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)

    def ask_who(self, authority: x509.Certificate) -> None:
        """Ask from now on for certificates of an authority, whatever their dates, and note them."""
        self._context.load_verify_locations(cadata=authority.public_bytes(Encoding.DER))
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.verify_flags |= NO_CHECK_TIME

    async def stop(self) -> None:
        """Stop listening."""
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)

    def _certificate(self) -> Path:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(VALID[0])
            .not_valid_after(VALID[1])
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, SHA256())
        )
        self.ca_file.write_bytes(made.public_bytes(Encoding.PEM))
        both = self.folder / "apns.pem"
        both.write_bytes(write_key(key) + made.public_bytes(Encoding.PEM))
        return both

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        client = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if client is not None:
            self.clients.append(client)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        asked: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        try:
            while data := await reader.read(65_536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        asked[event.stream_id] = {
                            (k.decode() if isinstance(k, bytes) else k): (
                                v.decode() if isinstance(v, bytes) else v
                            )
                            for k, v in event.headers
                        }
                        bodies[event.stream_id] = b""
                    elif isinstance(event, h2.events.DataReceived):
                        bodies[event.stream_id] += event.data
                        connection.acknowledge_received_data(len(event.data), event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        headers = asked.pop(event.stream_id)
                        body = bodies.pop(event.stream_id)
                        self._answer(connection, event.stream_id, headers, body)
                writer.write(connection.data_to_send())
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def _answer(self, connection: Any, stream: int, headers: dict[str, str], body: bytes) -> None:
        token = headers[":path"].rpartition("/")[2]
        self.pushes.append((token, headers.get("apns-topic", ""), body))
        reply: Reply = self.always or (self.plan.popleft() if self.plan else (200, {}))
        if reply == "hang":
            return
        if reply == "goaway":
            connection.close_connection(error_code=0, last_stream_id=0)
            return
        status, said = reply  # type: ignore[misc]
        connection.send_headers(stream, [(":status", str(status))])
        connection.send_data(stream, json.dumps(said).encode() if said else b"", end_stream=True)

"""URLs that a merchant typed lead to the public internet only, and to the address that was checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpcore2
import pytest
import pytest_asyncio

from app.kernel.outgoing import network_adapter
from app.kernel.outgoing.addresses import AddressRefused, is_public, parse_target
from app.kernel.outgoing.client import FetchFailed, OutgoingClient
from tests.receiver import HOST, PUBLIC, certified

URL = f"https://{HOST}/in?x=1"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A web server on the loopback with a certificate for HOST, and the network that leads every address to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer = PLAIN
        self.requests: list[bytes] = []
        self.connected_to: list[str] = []
        self.names: dict[str, list[list[str]]] = {}
        self.hangs = False

    async def start(self) -> None:
        context = certified(self.folder)
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if not self.hangs:
            writer.write(self.answer)
            await writer.drain()
            writer.close()

    def client(self, **options: Any) -> OutgoingClient:
        peer = self

        class Network(httpcore2.AnyIOBackend):
            async def connect_tcp(self, host: str, port: int, **rest: Any) -> Any:
                peer.connected_to.append(host)
                return await super().connect_tcp("127.0.0.1", peer.port, **rest)

        async def resolve(host: str, port: int) -> list[str]:
            return peer.names[host].pop(0)

        trusted = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        return OutgoingClient(**{"resolve": resolve, "backend": Network(), "ssl_context": trusted, **options})


@pytest_asyncio.fixture(loop_scope="session")
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """Return a started peer."""
    made = Peer(tmp_path)
    await made.start()
    yield made
    made.server.close()


PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.88.99.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_inside_addresses_are_not_public(address: str) -> None:
    """Loopback, private, link-local, metadata, reserved, and IPv4 in the four dresses of IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_public(address: str) -> None:
    """The control of the list above."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/",
        f"ftp://{HOST}/",
        "file:///etc/passwd",
        f"//{HOST}/",
        "https://",
        "https:///x",
        f"https://user:password@{HOST}/",
        f"https://{HOST}:22/",
        f"https://{HOST}:99999/",
        f"https://{HOST}:x/",
        f"https://{HOST}/a b",
        f"https://{HOST}\\@127.0.0.1/",
        f"https://{HOST}/\r\nHost: evil",
        f"https://{HOST}/ü",
        "https://[::1/",
        f"https://{HOST}/" + "a" * 2000,
        "javascript:alert(1)",
        "",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Only https to a named host on a web port, without user or password and without tricks."""
    with pytest.raises(AddressRefused):
        parse_target(url)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/"]
)
async def test_an_address_written_as_a_number_is_checked_like_a_name(url: str) -> None:
    """The system's resolver reads the odd spellings; what it makes of them is what is checked."""
    client = OutgoingClient()
    with pytest.raises((AddressRefused, FetchFailed)):
        await client.fetch("GET", url)
    await client.aclose()


async def test_a_request_reaches_the_checked_address(peer: Peer) -> None:
    """The name is resolved once; the connection goes to that address, the certificate is checked for the name."""
    peer.names[HOST] = [[PUBLIC], ["127.0.0.1"]]
    client = peer.client()
    answer = await client.fetch("POST", URL, body=b"hello", headers={"Content-Type": "text/plain"})
    await client.aclose()

    assert (answer.status, answer.body) == (200, b"ok")
    assert peer.connected_to == [PUBLIC]
    assert peer.names[HOST] == [["127.0.0.1"]]
    head = peer.requests[0].decode().lower()
    assert head.startswith("post /in?x=1 http/1.1\r\n")
    assert f"host: {HOST}\r\n" in head


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"])
async def test_a_name_that_leads_inside_is_never_connected_to(peer: Peer, address: str) -> None:
    """One inside address among public ones is enough to refuse; no packet leaves."""
    client = peer.client()
    for addresses in ([address], [PUBLIC, address]):
        peer.names[HOST] = [addresses]
        with pytest.raises(AddressRefused):
            await client.fetch("GET", URL)
    await client.aclose()

    assert peer.connected_to == []
    assert peer.requests == []


async def test_control_without_the_check_the_inside_is_reached(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: the request arrives inside."""
    monkeypatch.setattr(network_adapter, "is_public", lambda address: True)
    peer.names[HOST] = [["127.0.0.1"]]
    client = peer.client()
    answer = await client.fetch("GET", URL)
    await client.aclose()

    assert answer.status == 200
    assert peer.connected_to == ["127.0.0.1"]


async def test_a_second_request_resolves_and_checks_again(peer: Peer) -> None:
    """A name that turns inwards after its first use (rebinding) is refused at the second."""
    peer.names[HOST] = [[PUBLIC], ["127.0.0.1"]]
    client = peer.client()
    await client.fetch("GET", URL)
    with pytest.raises(AddressRefused):
        await client.fetch("GET", URL)
    await client.aclose()

    assert peer.connected_to == [PUBLIC]


async def test_a_redirect_is_an_answer_and_not_followed(peer: Peer) -> None:
    """Where a foreign host points to is not our way."""
    peer.names[HOST] = [[PUBLIC]]
    peer.answer = b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    client = peer.client()
    answer = await client.fetch("GET", URL)
    await client.aclose()

    assert answer.status == 302
    assert len(peer.requests) == 1


async def test_a_certificate_for_another_name_is_refused(peer: Peer) -> None:
    """Connecting to an address does not loosen the check of the name."""
    peer.names["other.example.com"] = [[PUBLIC]]
    client = peer.client()
    with pytest.raises(FetchFailed):
        await client.fetch("GET", "https://other.example.com/")
    await client.aclose()

    assert peer.requests == []


BAD_ANSWERS = {
    "too long": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_001, "too long"),
    "compressed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "compressed"),
    "nonsense": (b"\x00\x01\x02\r\n\r\n", "Error"),
    "endless head": (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"a" * 300_000, "Error"),
    "nothing": (b"", "Error"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_bad_answers_are_cut_off(peer: Peer, name: str) -> None:
    """Length, compression and broken headers end the request with one kind of error."""
    peer.answer, reason = BAD_ANSWERS[name]
    peer.names[HOST] = [[PUBLIC]]
    client = peer.client()
    with pytest.raises(FetchFailed, match=reason):
        await client.fetch("GET", URL)
    await client.aclose()


async def test_a_silent_host_is_given_up(peer: Peer) -> None:
    """The time is limited as a whole."""
    peer.names[HOST], peer.hangs = [[PUBLIC]], True
    client = peer.client()
    with pytest.raises(FetchFailed):
        await client.fetch("GET", URL, time_max=timedelta(milliseconds=200))
    await client.aclose()


async def test_proxies_of_the_environment_are_not_used(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the name itself, unchecked."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    peer.names[HOST] = [[PUBLIC]]
    client = peer.client()
    assert (await client.fetch("GET", URL)).status == 200
    await client.aclose()

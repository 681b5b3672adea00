"""The guards around every request, each with its control: the guard taken away, and the attack seen to succeed."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from app.kernel.tests.small_app import BASE_URL, NOW, make_app, make_client, make_settings
from app.kernel.web import forms, health, limits, security, setup
from app.kernel.web.csrf import SAFE_METHODS
from app.kernel.web.forms import safe_next
from app.kernel.web.security import JSON_DEPTH_MAX, JsonDepth
from app.utils.security import Keyring, b64, unb64
from tests.architecture.documents import docs

EVIL = "https://evil.example"
FORM = {"content-type": "application/x-www-form-urlencoded"}
# What another site can make a browser send: with its cookies, but without our token.
FORGED: dict[str, dict[str, str]] = {
    "other origin": {"origin": EVIL},
    "hidden origin": {"origin": "null"},
    "sibling site": {"sec-fetch-site": "same-site"},
    "other site": {"sec-fetch-site": "cross-site"},
    "old browser": {},
}


async def post_forged(app: FastAPI, headers: dict[str, str]) -> int:
    """Send the form as another site would, with a visitor's cookies; return the status."""
    async with make_client(app) as client:
        await client.get("/page")
        answer = await client.post("/form", content="value=1", headers=FORM | headers)
    return int(answer.status_code)


@pytest.mark.parametrize("name", FORGED)
async def test_csrf_no_other_site_may_post(name: str) -> None:
    """Whatever another site can make a browser send is refused."""
    assert await post_forged(make_app(), FORGED[name]) == 403


@pytest.mark.parametrize("name", FORGED)
async def test_control_without_the_csrf_check_every_forged_form_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: each of the forged forms does its work."""

    async def let_through() -> None:
        return None

    monkeypatch.setattr(setup, "check_csrf", let_through)
    assert await post_forged(make_app(), FORGED[name]) == 303


async def test_csrf_a_token_of_another_visitor_is_no_token() -> None:
    """An attacker's own good token does not fit the victim's cookie."""
    app = make_app()
    async with make_client(app) as victim, make_client(app) as attacker:
        await victim.get("/page")
        found = re.search(r'name="csrf" value="([^"]+)"', (await attacker.get("/page")).text)
        assert found is not None
        answer = await victim.post("/form", data={"value": "1", "csrf": found.group(1)})

    assert answer.status_code == 403


# Handlers that act on no cookie: a program's own sign of itself decides.
CSRF_EXEMPT = {
    # Apple's and Google's servers; an ApplePass header and Google's own signature say who they are.
    "/apple/updates/v1/devices/{device_id}/registrations/{pass_type}/{serial}",
    "/apple/updates/v1/log",
    "/google/callbacks",
    # The mail service's reports; its secret, or a signature made with it, says who sends them.
    "/mail/events",
    # A mail programme's one click (RFC 8058); the sealed token in the address says whose consent it is.
    "/mail/preferences/{token}/one-click",
}


async def test_csrf_is_checked_on_every_changing_route(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """A request from another site is refused by every route of the application before anything else."""
    let_through = set()
    for route in docs.list_routes(list(app.routes)):
        path = re.sub(r"\{[^}]+\}", str(uuid4()), route.path)
        for method in set(getattr(route, "methods", None) or ()) - SAFE_METHODS:
            answer = await client.request(
                method, path, headers={"origin": EVIL, "accept": "application/json"}
            )
            if answer.status_code != 403 or answer.json()["code"] != "csrf":
                let_through.add(route.path)

    assert let_through == CSRF_EXEMPT


@pytest.mark.parametrize("depth", [JSON_DEPTH_MAX, JSON_DEPTH_MAX + 1])
@pytest.mark.parametrize("opener", ["[", '{"a":'])
async def test_json_is_at_most_so_deep(depth: int, opener: str) -> None:
    """Thirty-two levels reach the parser, the thirty-third is refused, in one piece and byte by byte."""
    body = (opener * depth + "1" + ("]" if opener == "[" else "}") * depth).encode()

    async def bytewise() -> Any:
        for number in range(len(body)):
            yield body[number : number + 1]

    headers = {"content-type": "application/json"}
    async with make_client(make_app()) as client:
        whole = await client.post("/number", content=body, headers=headers)
        pieces = await client.post("/number", content=bytewise(), headers=headers)

    assert [answer.status_code for answer in (whole, pieces)] == [422, 422]
    # The schema complains of a field; the guard does not know any.
    assert ["errors" in answer.json() for answer in (whole, pieces)] == [depth <= JSON_DEPTH_MAX] * 2


def test_brackets_in_words_are_not_depth() -> None:
    """What stands in a string, behind an escaped quote too, opens nothing."""
    text = json.dumps({"a": '[[[[\\"{{{{', "b": "\\", "c": '"' + "[" * 100})
    assert not JsonDepth().is_too_deep(text.encode())

    pieces = JsonDepth()
    assert not any(pieces.is_too_deep(letter.encode()) for letter in text)
    assert pieces.is_too_deep(b"[" * (JSON_DEPTH_MAX + 1))


async def test_control_without_the_depth_guard_a_deep_text_reaches_the_parser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard taken away: the parser is asked, and says so in its own words."""
    monkeypatch.setattr(security, "JSON_DEPTH_MAX", 10**9)
    async with make_client(make_app()) as client:
        answer = await client.post(
            "/number", content=b"[" * 100 + b"]" * 100, headers={"content-type": "application/json"}
        )

    assert "errors" in answer.json()


METRICS_CALLERS: dict[str, tuple[dict[str, Any], str, dict[str, str], int]] = {
    "stranger": ({}, "203.0.113.7", {}, 404),
    "this machine, no token set": ({}, "127.0.0.1", {}, 404),
    "through a proxy on this machine": ({}, "127.0.0.1", {"x-forwarded-for": "198.51.100.1"}, 404),
    "demo, this machine": ({"demo": True}, "127.0.0.1", {}, 200),
    "demo, stranger": ({"demo": True}, "203.0.113.7", {}, 404),
    "demo, through a proxy": ({"demo": True}, "127.0.0.1", {"via": "1.1 proxy"}, 404),
    "token, wrong": ({"metrics_token": "m" * 32}, "127.0.0.1", {"authorization": "Bearer x"}, 404),
    "token, none sent": ({"metrics_token": "m" * 32, "demo": True}, "127.0.0.1", {}, 404),
    "token, right": (
        {"metrics_token": "m" * 32},
        "203.0.113.7",
        {"authorization": "Bearer " + "m" * 32},
        200,
    ),
}


@pytest.mark.parametrize("name", METRICS_CALLERS)
async def test_metrics_are_for_the_operator(name: str) -> None:
    """The token's holder reads them, and the demo's own machine; everybody else gets not_found."""
    values, peer, headers, status = METRICS_CALLERS[name]
    async with make_client(make_app(**values), peer=(peer, 1)) as client:
        answer = await client.get("/metrics", headers=headers)

    assert answer.status_code == status
    assert ("stempel_request_seconds" in answer.text) is (status == 200)
    assert "203.0.113.7" not in answer.text


async def test_control_without_the_header_list_a_proxied_stranger_reads_the_demos_metrics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard taken away: through a proxy on the machine anybody reads them."""
    monkeypatch.setattr(health, "PROXY_HEADERS", ())
    async with make_client(make_app(demo=True), peer=("127.0.0.1", 1)) as client:
        assert (await client.get("/metrics", headers={"via": "1.1 proxy"})).status_code == 200


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\x00/evil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " //evil.example",
    "/ /evil.example",
    "evil.example",
    "/" + "a" * 500,
    "",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_open_redirect_targets_stay_on_this_site(target: str) -> None:
    """What a browser would read as another host, or as a script, becomes the default."""
    assert safe_next(target, default="/home") == "/home"


def test_safe_targets_are_kept() -> None:
    """The control of the list above: own paths go through."""
    for target in ("/", "/dashboard", "/dashboard?next=//x", "/a#b", "/%2F%2Fevil"):
        assert safe_next(target, default="/home") == target


@pytest.mark.parametrize("is_htmx", [False, True])
async def test_found_by_hand_letters_of_any_script_in_an_address_are_written_in_ascii(
    app: FastAPI, client: httpx2.AsyncClient, *, is_htmx: bool
) -> None:
    """Going on to such a path answers with a header that is ASCII, for htmx as for a browser; % stays as it is."""
    client.cookies.clear()
    shown = await client.get("/sign-in")
    token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
    assert token is not None
    data = {"csrf": token[1], "language": "fr", "next": "/é€/%C3%A9?a=b&c=1#d"}

    answer = await client.post("/language", data=data, headers={"HX-Request": "true"} if is_htmx else {})

    name, status = ("hx-redirect", 204) if is_htmx else ("location", 303)
    assert (answer.status_code, answer.headers[name]) == (status, "/%C3%A9%E2%82%AC/%C3%A9?a=b&c=1#d")


async def test_a_handler_cannot_redirect_elsewhere() -> None:
    """A redirect to another site is a bug that stops the request, not a header."""
    with pytest.raises(AssertionError, match="stay on this site"):
        forms.redirect(None, "//evil.example")  # type: ignore[arg-type]


async def test_the_host_is_fixed_by_configuration() -> None:
    """Neither Host nor X-Forwarded-Host finds its way into anything: a foreign one is refused or ignored."""
    app = make_app(trusted_proxies="10.0.0.0/8", security_contact="mailto:security@example.com")
    async with make_client(app, peer=("10.0.0.5", 1)) as client:
        foreign = await client.get("/.well-known/security.txt", headers={"host": "evil.example"})
        forwarded = await client.get(
            "/.well-known/security.txt",
            headers={"x-forwarded-host": "evil.example", "forwarded": "host=evil"},
        )

    assert foreign.status_code == 421
    assert f"Canonical: {BASE_URL}/" in forwarded.text
    assert "evil" not in forwarded.text


async def test_control_a_listed_host_is_answered() -> None:
    """The configuration is what decides: the same foreign name, listed, is ours."""
    async with make_client(make_app(allowed_hosts="evil.example")) as client:
        assert (await client.get("/page", headers={"host": "evil.example"})).status_code == 200


async def test_security_txt_names_contact_and_expiry() -> None:
    """RFC 9116: who, until when, which languages, where; without a contact there is no such page."""
    async with make_client(make_app(security_contact="https://example.com/security")) as client:
        answer = await client.get("/.well-known/security.txt")
    async with make_client(make_app()) as client:
        missing = await client.get("/.well-known/security.txt")

    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert fields["Contact"] == "https://example.com/security"
    assert datetime.fromisoformat(fields["Expires"]) == NOW + timedelta(days=90)
    assert fields["Preferred-Languages"] == "en, fr, de, lb"
    assert fields["Canonical"] == f"{BASE_URL}/.well-known/security.txt"
    assert missing.status_code == 404


async def test_found_by_hand_a_nul_in_an_address_is_refused(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Apple's list of a device's passes was a 500 for the device %00; now no route is reached by such an address."""
    paths = [route.path for route in docs.list_routes(list(app.routes)) if "{" in route.path]
    answers = {path: await client.get(re.sub(r"\{[^}]+\}", "a%00b", path)) for path in paths}

    assert "/apple/updates/v1/devices/{device_id}/registrations/{pass_type}" in paths
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 422} == {}


@pytest.mark.parametrize("contact", ["security@example.com", "http://example.com", "mailto:a\nContact: x"])
def test_a_contact_is_an_address_a_program_can_open(contact: str) -> None:
    """Anything else stops the start with a sentence."""
    with pytest.raises(ValidationError, match="security_contact"):
        make_settings(security_contact=contact)


async def test_redis_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred requests at once ask Redis sixteen at a time; the pool itself is bounded, too."""
    app = make_app(redis_url="redis://127.0.0.1:1/0")
    limiter = app.state.limiter
    at_once = most = 0

    class Counting:
        async def hit(self, name: str, limit: Any, key: str) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await limits.asyncio.sleep(0)
            at_once -= 1

    monkeypatch.setattr(limiter, "_redis", Counting())
    await limits.asyncio.gather(*(limiter.hit("reset", str(number)) for number in range(300)))
    pool = limits.redis_counter("redis://127.0.0.1:1/0")._storage.bridge.storage.connection_pool

    assert most == limits.REDIS_CONNECTIONS_MAX == 16
    assert pool.max_connections == 16


def test_keyring_tokens_outlive_a_new_version() -> None:
    """A page opened before the keys were rotated still sends a good form."""
    from app.kernel.web.cookies import open_value, sign_value

    old = Keyring.for_tests()
    signed = sign_value(old, "flash", "hello")
    new = Keyring({**old.keys, "token": {**old.keys["token"], 2: b"x" * 32}})

    assert open_value(new, "flash", signed) == "hello"
    assert sign_value(new, "flash", "hello").startswith("2.")
    assert open_value(Keyring({**old.keys, "token": {2: b"x" * 32}}), "flash", signed) is None


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("length", [15, 16, 17])
def test_found_by_hand_a_token_has_one_spelling(length: int) -> None:
    """The last letter of a token holds bits that no byte uses; a letter that differs in these is refused."""
    text = b64(bytes(range(length)))
    taken = []
    for letter in LETTERS:
        try:
            taken.append((letter, unb64(text[:-1] + letter)))
        except ValueError:
            continue

    expected = LETTERS if length % 3 == 0 else LETTERS[:: 4 if length % 3 == 2 else 16]
    assert "".join(letter for letter, _data in taken) == expected
    assert len({data for _letter, data in taken}) == len(taken), "no bytes have two spellings"


def test_control_plain_base64_reads_sixteen_spellings_of_the_same_bytes() -> None:
    """The decoder of the library takes any letter whose used bits are right: 64 letters, four values."""
    text = b64(bytes(16))

    assert len({base64.urlsafe_b64decode(text[:-1] + letter + "==") for letter in LETTERS}) == 4

"""The web plumbing as a client sees it; no database behind it."""

from __future__ import annotations

import re

import pytest

from app.kernel.tests.small_app import BASE_URL, make_app, make_client

JSON = {"accept": "application/json"}


@pytest.fixture
def app():
    return make_app()


async def csrf_of(client) -> str:
    page = await client.get("/page")
    return re.search(r'value="([^"]+)"', page.text).group(1)


async def test_every_answer_binds_the_browser(app):
    """Pages, problems and bugs all carry the strict policy and the fixed headers."""
    async with make_client(app) as client:
        for path in ("/page", "/missing", "/bug", "/nowhere"):
            headers = (await client.get(path)).headers

            assert "script-src 'self';" in headers["content-security-policy"], path
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert "camera=(self)" in headers["permissions-policy"]
            assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            assert headers["cache-control"] == "no-store"
            assert len(headers["x-request-id"]) == 32


async def test_only_the_scanner_page_may_compile_wasm(app):
    """A page's own addition to the policy stays with that page."""
    async with make_client(app) as client:
        scanner = await client.get("/scanner")
        page = await client.get("/page")

    assert "script-src 'self' 'wasm-unsafe-eval';" in scanner.headers["content-security-policy"]
    assert "wasm" not in page.headers["content-security-policy"]


async def test_plain_http_gets_no_hsts():
    """Strict-Transport-Security is promised over TLS only."""
    app = make_app(demo=True, public_url="http://localhost:8000")
    async with make_client(app, base_url="http://localhost:8000", peer=("127.0.0.1", 1)) as client:
        response = await client.get("/page")

    assert response.status_code == 200
    assert "strict-transport-security" not in response.headers
    assert "__Host-" not in response.headers["set-cookie"]
    assert "Secure" not in response.headers["set-cookie"]


@pytest.mark.parametrize(
    "host", ["evil.example", "cards.example.com.evil.example", "", "a@cards.example.com"]
)
async def test_a_foreign_host_is_refused(app, host):
    """Only our own names are answered."""
    async with make_client(app) as client:
        response = await client.get("/address", headers={"host": host})

    assert response.status_code == 421


async def test_the_loopback_name_is_for_local_callers(app):
    """A health check on the machine may say localhost; a stranger may not."""
    async with make_client(app, peer=("127.0.0.1", 1)) as client:
        assert (await client.get("/healthz", headers={"host": "127.0.0.1:8000"})).json() == {"status": "ok"}
    async with make_client(app) as client:
        assert (await client.get("/healthz", headers={"host": "127.0.0.1:8000"})).status_code == 421


async def test_a_form_needs_its_token(app):
    """With its own page's token a form is taken; without, with another's or no cookie it is not."""
    async with make_client(app) as client, make_client(app) as stranger:
        token, foreign = await csrf_of(client), await csrf_of(stranger)
        taken = await client.post("/form", data={"value": "1", "csrf": token})
        answers = [
            await client.post("/form", data={"value": "1"}),
            await client.post("/form", data={"value": "1", "csrf": foreign}),
            await client.post("/form", data={"value": "1", "csrf": ""}),
        ]
        client.cookies.clear()
        answers.append(await client.post("/form", data={"value": "1", "csrf": token}))

    assert taken.status_code == 303
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(403, "csrf")] * 4


@pytest.mark.parametrize(
    ("charset", "status"), [("utf-8", 303), ('"UTF-8"', 303), ("punycode", 415), ("unicode_escape", 415)]
)
async def test_a_form_is_read_as_utf8_only(app, charset, status):
    """Python's odd codecs cost minutes a megabyte or make surrogates; none of them reaches the parser."""
    async with make_client(app) as client:
        token = await csrf_of(client)
        fields = [("csrf", token), ("value", "1")]
        part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = "".join(part.format(*field) for field in fields) + "--x--\r\n"
        answers = [
            await client.post(
                "/form", content=body, headers={"content-type": f"multipart/form-data; boundary=x;{name}"}
            )
            for name in (f" charset={charset}", f"Charset = {charset}")
        ]

    assert answers[0].status_code == status
    assert status == 303 or answers[1].status_code == status


async def test_the_csrf_cookie_is_set_by_pages_with_a_form_only_once(app):
    """The cookie is host-bound, secret to scripts, and kept when it is there."""
    async with make_client(app) as client:
        first = await client.get("/page")
        second = await client.get("/page")

    cookie = first.headers["set-cookie"]
    assert cookie.startswith("__Host-csrf=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"origin": BASE_URL}, 201),
        ({"origin": BASE_URL, "sec-fetch-site": "same-origin"}, 201),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://cards.example.com"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example", "authorization": "Bearer k"}, 201),
    ],
)
async def test_json_is_taken_from_our_pages_and_from_programs(app, headers, status):
    """What a browser says about the sender counts; a program without cookies says nothing and is taken."""
    async with make_client(app) as client:
        response = await client.post("/number", json={"number": 1}, headers=headers)

    assert response.status_code == status


async def test_a_body_that_another_sites_form_can_send_is_refused(app):
    """text/plain is what a foreign page can post without asking; an empty body is harmless."""
    async with make_client(app) as client:
        plain = await client.post("/number", content=b'{"number": 1}', headers={"content-type": "text/plain"})
        nothing = await client.post("/nothing")
        one_click = await client.post("/one-click", data={"List-Unsubscribe": "One-Click"})

    assert (plain.status_code, plain.json()["code"]) == (415, "unsupported_media_type")
    assert nothing.status_code == 201
    assert one_click.status_code == 201


async def test_a_flash_is_shown_once(app):
    """The next page shows the message, the one after does not; a forged cookie shows nothing."""
    async with make_client(app) as client:
        token = await csrf_of(client)
        await client.post("/form", data={"value": "<b>", "csrf": token})
        shown = await client.get("/page")
        gone = await client.get("/page")
        forged = await client.get("/page", headers={"cookie": "__Host-flash=1.W1siaGkiLCJvayJdXQ.AAAA"})

    assert "[ok:Saved &lt;b&gt;]" in shown.text
    assert "[ok" not in gone.text
    assert "[ok" not in forged.text


async def test_htmx_is_redirected_as_a_whole_page(app):
    """htmx would swap a redirected page into a corner of this one."""
    async with make_client(app) as client:
        token = await csrf_of(client)
        response = await client.post(
            "/form", data={"value": "1", "csrf": token}, headers={"hx-request": "true"}
        )

    assert (response.status_code, response.headers["hx-redirect"]) == (204, "/page")


async def test_a_refusal_is_a_problem_with_its_time(app):
    """Code, title, facts and the moment from which waiting has helped."""
    async with make_client(app) as client:
        response = await client.get("/refused", headers={"accept-language": "en"})

    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "300"
    assert response.json() == {
        "type": "about:blank",
        "title": "It is too soon for the next stamp.",
        "status": 409,
        "code": "too_soon",
        "retry_at": "2026-03-02T09:05:00Z",
        "left": 3,
    }


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/missing", 404, "not_found"),
        ("/nowhere", 404, "not_found"),
        ("/number", 405, "method_not_allowed"),
        ("/bug", 500, "internal"),
        ("/busy", 503, "unavailable"),
    ],
)
async def test_errors_have_codes_and_no_details(app, path, status, code):
    """Programs get a problem, browsers a page, and neither learns what was inside."""
    async with make_client(app) as client:
        problem = await client.get(path, headers=JSON)
        page = await client.get(path, headers={"accept": "text/html,*/*"})

    assert (problem.status_code, problem.json()["code"]) == (status, code)
    assert "anna" not in problem.text
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert code in page.text
    assert "anna" not in page.text


async def test_a_bug_names_its_reference(app):
    """The page of a 500 carries the request id that the log has, too."""
    async with make_client(app) as client:
        page = await client.get("/bug", headers={"accept": "text/html"})

    assert page.headers["x-request-id"] in page.text


async def test_bad_input_names_the_field_and_never_the_value(app):
    """422 with where and what, without echoing what was sent."""
    async with make_client(app) as client:
        wrong = await client.post("/number", json={"number": "anna@example.com"})
        broken = await client.post("/number", content=b"{", headers={"content-type": "application/json"})
        missing = await client.post("/number", json={})

    assert wrong.status_code == broken.status_code == missing.status_code == 422
    assert wrong.json()["code"] == "invalid"
    assert wrong.json()["errors"][0]["field"] == "body.number"
    assert "anna" not in wrong.text
    assert missing.json()["errors"][0]["type"] == "missing"


async def test_a_body_over_the_limit_is_refused(app):
    """One byte over is 413, declared or streamed; the limit itself is let through to the parser."""

    async def stream(size):
        yield b" " * size

    headers = {"content-type": "application/json"}
    async with make_client(app) as client:
        declared = await client.post("/number", content=b" " * 1_000_001, headers=headers)
        streamed = await client.post("/number", content=stream(1_000_001), headers=headers)
        fitting = await client.post("/number", content=b'{"number":1}' + b" " * 999_988, headers=headers)

    assert (declared.status_code, declared.json()["code"]) == (413, "too_large")
    assert (streamed.status_code, streamed.json()["code"]) == (413, "too_large")
    assert fitting.status_code == 201


async def test_too_many_headers_are_refused(app):
    """Headers are limited in number and size."""
    async with make_client(app) as client:
        many = await client.get("/address", headers=[(f"x-{number}", "1") for number in range(101)])
        long = await client.get("/address", headers={"x-long": "a" * 32_001})

    assert (many.status_code, long.status_code) == (431, 431)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.5", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "198.51.100.1, 10.0.0.9", "198.51.100.1"),
        ("10.0.0.5", "nonsense", "10.0.0.5"),
        ("10.0.0.5", "", "10.0.0.5"),
    ],
)
async def test_forwarded_headers_count_from_our_proxies_only(peer, forwarded, address):
    """A stranger's X-Forwarded-For is ignored, and so is what stands before the proxy's own part."""
    app = make_app(trusted_proxies="10.0.0.0/8")
    async with make_client(app, peer=(peer, 1)) as client:
        response = await client.get(
            "/address", headers={"x-forwarded-for": forwarded, "x-forwarded-proto": "http"}
        )

    assert response.json()["address"] == address
    assert response.json()["scheme"] == ("http" if peer.startswith("10.") else "https")


async def test_a_limit_refuses_with_the_time_and_counts_each_address(app):
    """Ten are let through, the eleventh is refused, another address is not; a /64 of IPv6 is one address."""
    async with make_client(app) as client, make_client(app, peer=("203.0.113.8", 1)) as other:
        answers = [(await client.get("/limited")).status_code for _number in range(11)]
        refused = await client.get("/limited")
        neighbour = await other.get("/limited")
    assert answers == [200] * 10 + [429]
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) >= 1
    assert neighbour.status_code == 200
    for number in range(11):
        async with make_client(app, peer=(f"2001:db8::{number:x}", 1)) as client:
            last = await client.get("/limited")
    assert last.status_code == 429


async def test_a_limit_that_cannot_count_refuses():
    """With several processes and no database the answer is 503, never a pass."""
    app = make_app(web_processes=2)
    async with make_client(app) as client:
        response = await client.get("/limited")

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


async def test_static_files_are_immutable_and_compressed(app):
    """The address names the content; an old release's is kept for a minute; others do not exist."""
    url = app.state.static.url("css/base.css")
    async with make_client(app) as client:
        fresh = await client.get(url)
        old = await client.get("/static/000000000000/css/base.css")
        outside = await client.get("/static/x/../templates/error.html")
        escaped = await client.get("/static/x/%2e%2e/templates/error.html")

    assert fresh.status_code == 200
    assert fresh.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert fresh.headers["content-encoding"] == "gzip"
    assert fresh.headers["content-type"].startswith("text/css")
    assert old.headers["cache-control"] == "public, max-age=60"
    assert (outside.status_code, escaped.status_code) == (404, 404)
    with pytest.raises(LookupError):
        app.state.static.url("css/none.css")


async def test_the_language_is_negotiated_and_remembered(app):
    """Choice by link, then cookie, then browser; an unknown language is English."""
    async with make_client(app) as client:
        browser = await client.get("/page", headers={"accept-language": "lb-LU, de;q=0.5"})
        unknown = await client.get("/page", headers={"accept-language": "zz"})
        chosen = await client.get("/page?lang=fr", headers={"accept-language": "de"})
        remembered = await client.get("/page", headers={"accept-language": "de"})
        odd = await client.get("/page?lang=../../etc", headers={"accept-language": "de"})

    assert [r.text.split("|")[1] for r in (browser, unknown, chosen, remembered, odd)] == [
        "lb",
        "en",
        "fr",
        "fr",
        "fr",
    ]
    assert chosen.headers["content-language"] == "fr"


async def test_the_language_form_goes_back_to_our_pages_only(app):
    """POST /language keeps the choice; a foreign address to go on to is replaced."""
    async with make_client(app) as client:
        token = await csrf_of(client)
        home = await client.post("/language", data={"language": "de", "next": "/page?a=1", "csrf": token})
        foreign = await client.post(
            "/language", data={"language": "de", "next": "//evil.example", "csrf": token}
        )

    assert (home.status_code, home.headers["location"]) == (303, "/page?a=1")
    assert foreign.headers["location"] == "/"
    assert client.cookies["__Host-language"] == "de"


async def test_ready_needs_the_database(app):
    """Alive and ready are different answers."""
    async with make_client(app) as client:
        alive = await client.get("/healthz")
        ready = await client.get("/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["schema"]) == (503, "unreachable")

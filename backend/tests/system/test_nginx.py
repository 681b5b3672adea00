"""The nginx of the distribution, with the configuration that is shipped, in front of the real application."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.installed import INSTALLED
from app.kernel.web.limits import LIMITS
from app.kernel.web.security import HSTS, UPLOAD_BYTES_MAX
from app.kernel.web.static import FOREVER
from tests.fixtures import cloned_database, database_urls
from tests.kernel.collector import Collector, running_collector
from tests.runner.helpers import ROOT
from tests.system.certificates import make_certificate
from tests.system.services import Service, environment_of, free_port, stempel

pytestmark = pytest.mark.system

SHIPPED = ROOT / "deploy" / "nginx"
NAME = "localhost"
HEADER_SECONDS_MAX = 10  # client_header_timeout
FLOOD = 450  # the burst is 200, and 50 a second are let through besides
ANSWER_SECONDS_MAX = 60


@dataclass
class Site:
    """Where it answers, and what stands behind it."""

    http: int
    https: int
    web: Service
    folder: Path
    collector: Collector

    @property
    def trust(self) -> ssl.SSLContext:
        """Return what trusts this run's certificate; a new one each time, for clients write their protocols into it."""
        return ssl.create_default_context(cafile=str(self.folder / "live" / NAME / "fullchain.pem"))

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.https}"

    def client(self, address: str = "127.0.0.1", *, http2: bool = True) -> httpx2.Client:
        """Return a client that comes from this address of the loopback."""
        transport = httpx2.HTTPTransport(verify=self.trust, local_address=address, http2=http2)
        return httpx2.Client(transport=transport, base_url=self.url, timeout=ANSWER_SECONDS_MAX)


def install(folder: Path, *, http: int, https: int, upstream: str) -> Path:
    """Write the shipped files as docs/deploy.md says, with this test's places and ports for the machine's."""
    conf = folder / "nginx.conf"
    site = (SHIPPED / "stempel.conf.template").read_text().replace("${STEMPEL_SERVER_NAME}", NAME)
    site = re.sub(r"\n *listen \[::\].*", "", site)
    places = {
        "/etc/nginx/stempel": str(SHIPPED),
        "/etc/letsencrypt/live": str(folder / "live"),
        "/var/cache/nginx": str(folder),
        "/var/log/nginx": str(folder),
        "/var/www/certbot": str(folder / "webroot"),
        "listen 80 ": f"listen 127.0.0.1:{http} ",
        "listen 443 ": f"listen 127.0.0.1:{https} ",
    }
    for shipped, ours in places.items():
        assert shipped in site, shipped
        site = site.replace(shipped, ours)
    (folder / "site.conf").write_text(site)
    (folder / "upstream.conf").write_text(upstream)
    conf.write_text(
        f"user root;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{\n  include {folder}/upstream.conf;\n  include {folder}/site.conf;\n}}\n"
    )
    return conf


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start the web service on a socket that systemd's own program holds, and nginx in front of it."""
    folder = tmp_path_factory.mktemp("site")
    sock = str(folder / "web.sock")
    http, https = free_port(), free_port()
    make_certificate(folder / "live" / NAME, NAME)
    (folder / "webroot" / ".well-known" / "acme-challenge").mkdir(parents=True)
    upstream = (SHIPPED / "upstream.conf").read_text().replace("/run/stempel/web.sock", sock)
    conf = install(folder, http=http, https=https, upstream=upstream)
    with cloned_database(f"stempel_nginx_{os.getpid()}") as name, running_collector() as collector:
        urls = database_urls(name)
        environment = environment_of(
            database_url=urls["database_url"],
            database_system_url=urls["database_system_url"],
            database_allow_async_commit="true",
            data_dir=folder / "data",
            public_url=f"https://{NAME}:{https}",
            trusted_proxies="127.0.0.1",
            otlp_endpoint=collector.url,
        )
        activate = ["systemd-socket-activate", "-l", sock, *[f"-E{name}" for name in environment]]
        web = Service([*activate, *stempel("serve")], folder / "web.log", environment)
        nginx = Service(["nginx", "-c", str(conf), "-g", "daemon off;"], folder / "nginx.log")
        try:
            web.start()
            web.wait_for(sock)
            nginx.start()
            nginx.wait_for(("127.0.0.1", https))
            made = Site(http, https, web, folder, collector)
            wait_until_ready(made)
            yield made
        finally:
            nginx.stop()
            web.stop()


def wait_until_ready(site: Site) -> None:
    until = time.monotonic() + ANSWER_SECONDS_MAX
    with site.client() as client:
        while time.monotonic() < until:
            answer = client.get("/readyz")
            if answer.status_code == 200:
                return
            time.sleep(0.2)
    raise AssertionError(f"not ready: {answer.status_code} {answer.text}\n{site.web.log.read_text()}")


def test_plain_http_leads_to_https(site: Site) -> None:
    """By whatever name it was asked, to our own; the method is kept."""
    answer = httpx2.post(
        f"http://127.0.0.1:{site.http}/stamp/1?a=b",
        headers={"host": "evil.example"},
        timeout=ANSWER_SECONDS_MAX,
    )

    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{NAME}/stamp/1?a=b"


def test_certbots_question_is_answered_over_plain_http(site: Site) -> None:
    """From its folder, and nothing beside it."""
    (site.folder / "webroot" / ".well-known" / "acme-challenge" / "token").write_text("proof")
    base = f"http://127.0.0.1:{site.http}/.well-known/acme-challenge"
    answers = [httpx2.get(f"{base}/{name}", timeout=ANSWER_SECONDS_MAX) for name in ("token", "other")]

    assert [(answer.status_code, answer.text == "proof") for answer in answers] == [(200, True), (404, False)]


def test_a_page_arrives_over_http2_with_hsts_and_host_cookies(site: Site) -> None:
    """The application knows that it is behind TLS: one HSTS header, Secure cookies with the strict prefix."""
    with site.client() as client:
        answer = client.get("/sign-in", headers={"accept": "text/html"})

    cookies = answer.headers.get_list("set-cookie")
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert answer.headers.get_list("strict-transport-security") == [HSTS]
    assert "nginx/" not in answer.headers.get("server", "")
    assert cookies
    assert all(cookie.startswith("__Host-") and "; Secure" in cookie for cookie in cookies)


def test_tls_of_yesterday_and_other_names_get_no_handshake(site: Site) -> None:
    """TLS 1.1 is refused, and a name that is not ours sees no certificate."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    new = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    new.check_hostname, new.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    def shake(context: ssl.SSLContext, name: str) -> str:
        with socket.create_connection(("127.0.0.1", site.https), timeout=ANSWER_SECONDS_MAX) as plain:
            with context.wrap_socket(plain, server_hostname=name) as wrapped:
                return str(wrapped.version())

    assert shake(new, NAME) == "TLSv1.3"
    for context, name in ((old, NAME), (new, "evil.example")):
        with pytest.raises(ssl.SSLError):
            shake(context, name)


def test_a_forged_address_does_not_count_and_the_real_one_does(site: Site) -> None:
    """Each guess claims to come from elsewhere; the limit sees one address, and leaves the neighbour alone."""
    # The end of a window may lie between two of them: then it takes twice as many.
    most = 2 * LIMITS["open_link"].amount

    def guess(client: httpx2.Client, number: int) -> int:
        forged = f"203.0.113.{number}"
        claims = {"x-forwarded-for": forged, "x-real-ip": forged, "forwarded": f"for={forged}"}
        return client.get(f"/card/link/guess-{number}", headers=claims).status_code

    with site.client("127.0.0.2") as attacker, site.client("127.0.0.3") as neighbour:
        guesses = [guess(attacker, number) for number in range(most + 1)]
        beside = guess(neighbour, 200)

    assert guesses[0] == beside
    assert set(guesses) == {beside, 429}
    assert beside != 429


def test_a_strangers_trace_ends_at_nginx(site: Site) -> None:
    """The header is taken away; the control: given to the web process by its socket, it is believed."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    asked = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    socket_only = httpx2.HTTPTransport(uds=str(site.folder / "web.sock"))
    with site.client() as stranger:
        outside = stranger.get("/nowhere", headers=asked)
    with httpx2.Client(transport=socket_only, base_url=f"https://{NAME}", timeout=ANSWER_SECONDS_MAX) as near:
        inside = near.get("http://localhost/nowhere", headers={**asked, "host": NAME})
    wanted = {outside.headers["x-request-id"], inside.headers["x-request-id"]}
    until = time.monotonic() + ANSWER_SECONDS_MAX
    found: dict[str, str] = {}
    while wanted - found.keys():
        assert time.monotonic() < until, f"no span of {wanted - found.keys()} arrived"
        time.sleep(0.1)
        found = {str(span.attributes.get("stempel.request_id")): span.trace for span in site.collector.spans}

    assert found[inside.headers["x-request-id"]] == trace
    assert found[outside.headers["x-request-id"]] != trace


def test_large_bodies_end_at_nginx_in_the_applications_form(site: Site) -> None:
    """413 without the application: as JSON for programs, as a page for people."""
    body = b"x" * 2_400_000
    with site.client(http2=False) as client:
        program = client.post("/stamp/1", content=body, headers={"content-type": "application/json"})
        person = client.post("/stamp/1", content=body, headers={"accept": "text/html,*/*"})

    assert (program.status_code, person.status_code) == (413, 413)
    assert program.headers["content-type"].startswith("application/problem+json")
    assert program.json() == {"type": "about:blank", "title": "Too large", "status": 413, "code": "too_large"}
    assert "Das ist größer" in person.text
    assert person.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert program.headers.get_list("strict-transport-security") == [HSTS]


@pytest.mark.parametrize(
    ("path", "size"),
    [("/dashboard/anything", UPLOAD_BYTES_MAX), *(entry for module in INSTALLED for entry in module.uploads)],
)
def test_what_the_application_takes_nginx_lets_through(site: Site, path: str, size: int) -> None:
    """The largest file of each page that takes files arrives: it is asked who sends it, and not cut off."""
    place = re.sub(
        r"\{kind\}", "logo", re.sub(r"\{[a-z_]*id\}", "01900000-0000-7000-8000-000000000001", path)
    )
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = head + b"x" * (size - len(head) - 9) + b"\r\n--b--\r\n"
    with site.client() as client:
        answer = client.post(place, content=body, headers={"content-type": "multipart/form-data; boundary=b"})

    assert answer.status_code in {303, 401, 403, 404, 405}


def test_a_flood_is_stopped_and_the_neighbour_is_not(site: Site) -> None:
    """Beyond the burst 429 with Retry-After, without the application; another address is served meanwhile."""
    with (
        site.client("127.0.0.4", http2=False) as flood,
        site.client("127.0.0.5") as neighbour,
        ThreadPoolExecutor(20) as pool,
    ):
        answers = list(pool.map(lambda _: flood.get("/.well-known/security.txt"), range(FLOOD)))
        beside = neighbour.get("/healthz")

    stopped = [answer for answer in answers if answer.status_code == 429]
    assert stopped
    assert len(answers) - len(stopped) >= 200
    assert {answer.json()["code"] for answer in stopped} == {"rate_limited"}
    assert {answer.headers["retry-after"] for answer in stopped} == {"5"}
    assert beside.status_code == 200


def test_a_slow_client_is_let_go_and_reaches_nobody(site: Site) -> None:
    """A hundred half requests are ended by nginx, and others do not wait for them."""
    began = time.monotonic()
    slow, trust = [], site.trust
    for _ in range(100):
        plain = socket.create_connection(("127.0.0.1", site.https), timeout=ANSWER_SECONDS_MAX)
        wrapped = trust.wrap_socket(plain, server_hostname=NAME)
        wrapped.sendall(f"POST /stamp/1 HTTP/1.1\r\nHost: {NAME}\r\nX-Slow: ".encode())
        slow.append(wrapped)
    with site.client("127.0.0.6") as client:
        answer = client.get("/healthz")
    ended = [one.recv(1_000) for one in slow]
    for one in slow:
        one.close()

    assert answer.status_code == 200
    assert {piece[:40] for piece in ended} == {b""}
    assert time.monotonic() - began >= HEADER_SECONDS_MAX - 1


def test_shared_files_come_from_nginx(site: Site) -> None:
    """For ever, and even while the application stands still."""
    with site.client() as client:
        page = client.get("/sign-in", headers={"accept": "text/html"}).text
        path = re.findall(r'"(/static/[0-9a-f]+/[^"]+\.css)"', page)[0]
        first = client.get(path)
        for pid in site.web.children():
            os.kill(pid, signal.SIGSTOP)
        try:
            second = client.get(path, timeout=20)
        finally:
            for pid in site.web.children():
                os.kill(pid, signal.SIGCONT)

    assert first.headers["cache-control"] == FOREVER
    assert (second.status_code, second.content) == (200, first.content)


def test_nobody_is_named_in_logs(site: Site) -> None:
    """Addresses are personal data, and some links are keys."""
    with site.client("127.0.0.7") as client:
        client.get("/c/a-link-that-is-a-key", headers={"accept": "text/html"})
    written = "".join(file.read_text() for file in site.folder.glob("*.log"))

    assert "127.0.0." not in written.replace("127.0.0.1", "")
    assert "a-link-that-is-a-key" not in written


def test_without_the_application_nginx_says_when_to_come_back(site: Site) -> None:
    """503 with Retry-After, as JSON and as a page; this test is the last that needs the application."""
    site.web.stop()
    (site.folder / "web.sock").unlink(missing_ok=True)
    with site.client() as client:
        program = client.get("/healthz")
        person = client.get("/dashboard", headers={"accept": "text/html"})

    assert (program.status_code, person.status_code) == (503, 503)
    assert program.headers["retry-after"] == "5"
    assert program.json()["code"] == "unavailable"
    assert "Bitte gleich noch einmal versuchen." in person.text

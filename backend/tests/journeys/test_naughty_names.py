"""Names that break careless programs, all the way: the form, the mail, both wallets, every page, the download."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.jobs import JobContext
from app.modules.exports.rules import FORMULA_STARTS
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.messaging.jobs import send_message
from app.modules.messaging.public import queue_mail
from app.modules.messaging.rules import header_line
from app.modules.messaging.smtp import MailTransport, SmtpServer, SmtpTransport
from app.modules.nudges.wording import default_wording
from app.modules.portal.tests.helpers import hidden_fields
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView
from app.modules.wallets.apple_wallet.schema import check_pass
from app.modules.wallets.google_wallet.bodies import BodyMaker
from app.modules.wallets.google_wallet.tests.builders import make_bodies
from app.modules.wallets.google_wallet.tests.builders import problems_of as google_problems
from app.modules.wallets.public import card_view
from app.process import Process
from app.utils.validators import clean_line
from tests.browser.post_office import PostOffice, open_post_office
from tests.journeys.harmless import problems_of
from tests.journeys.naughty import NAUGHTY

NAME_LENGTH_MAX = 120
# Beside the common corpus: what aims at mails, templates, queries, spreadsheets and logs in particular.
AIMED = [
    "Ana\r\nBcc: victim@evil.example",
    "Ana\nSubject: Free money\n\nClick here",
    "Ana\r\n\r\n<h1>Second body</h1>\r\n.\r\nMAIL FROM:<a@evil.example>",
    "=?utf-8?q?Ana=0ABcc:_victim@evil.example?=",
    '"Ana" <victim@evil.example>, other@evil.example',
    "--===============1234==\r\nContent-Type: text/html",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "{name} {0.__class__} %(shop)s %s %n %x",
    "{shop}{reward}{stamps}",
    "=cmd|' /C calc'!A0",
    "+1+cmd|'/C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "|=1+1",
    '=HYPERLINK("http://evil.example","x")',
    "Robert'); DROP TABLE customer;--",
    "' OR 1=1 --",
    "%' OR '%'='",
    "\\x00\\u0000\\N{BULLET}",
    "<img src=x onerror=alert(1)>",
    "]]>]]&gt;<!--",
    "\u202eevil\u202c.exe",
    "\u200bzero\u200dwidth\u2060",
    "👩‍👩‍👧‍👦🏳️‍🌈" * 4,
    "Z̸͇̈a̷̝͝l̴̥͊g̵̰̈o̶",
    "n" * 200,
    "é" * 120,
    "null\x00byte",
    "\ud83d\ude00",
    "\ud800",
    "null",
    "Win at https://evil.example/win now",
    "www.evil.example",
    "evil@evil.example",
]
CORPUS = [*AIMED, *(name for name in NAUGHTY if name not in AIMED)]
# What a mail programme would make a link of by itself; the mail has no address of its own.
ADDRESS = re.compile(r"https?://\w|www\.\w|\w@\w+\.\w")
# Nothing of a template may have been worked out.
WORKED_OUT = "<strong>49</strong>"


@dataclass
class Chain:
    """A shop, an application and a mail server; what happened to each name, by its number."""

    app: FastAPI
    process: Process
    merchant: MadeMerchant
    store: StoreView
    office: PostOffice
    mail_job: JobContext
    google: BodyMaker
    form: dict[str, str]
    cookies: dict[str, str]
    kept: dict[int, str] = field(default_factory=dict)
    cards: dict[int, UUID] = field(default_factory=dict)

    def client(self, number: int) -> httpx2.AsyncClient:
        """Return a phone of its own, from an address that no other test has used."""
        address = (f"198.51.{number // 250}.{number % 250 + 1}", 40_000)
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False, client=address)
        headers = {"Accept": "text/html"}
        return httpx2.AsyncClient(
            transport=transport, base_url="http://testserver", headers=headers, cookies=self.cookies
        )

    async def page(self, client: httpx2.AsyncClient, path: str, name: str) -> str:
        """Open a page that shows the name, and see that the browser would do nothing of it."""
        answer = await client.get(path)
        assert answer.status_code == 200, (name, path, answer.text[:300])
        assert problems_of(answer.text) == [], (name, path)
        assert WORKED_OUT not in answer.text, (name, path)
        return answer.text


@pytest.fixture
def office() -> Iterator[PostOffice]:
    """Return a real mail server."""
    office, controller = open_post_office()
    yield office
    controller.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def chain(app: FastAPI, process: Process, office: PostOffice) -> Chain:
    """Return a shop of its own whose mails leave through the server."""
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant, "hybrid")
    resources = Resources()
    resources._objects.update(process.resources._objects)  # noqa: SLF001
    server = SmtpServer("127.0.0.1", office.port, tls="offered")
    resources.put(MailTransport, SmtpTransport(server))  # type: ignore[type-abstract]
    parts = {name: getattr(process, name) for name in ("database", "settings", "clock", "registry")}
    job = JobContext(**parts, resources=resources, merchant_id=merchant.id)
    chain = Chain(app, process, merchant, store, office, job, make_bodies(), {}, {})
    async with chain.client(0) as visitor:
        shown = await visitor.get(f"/join/{store.id}?new=1")
        # Every phone takes the token of this form and sends a key of its own.
        chain.form = hidden_fields(shown.text, f"/join/{store.id}")
        chain.cookies = dict(visitor.cookies)
    return chain


def typed(fields: dict[str, str]) -> bytes:
    """Return a form as a browser sends it; a lone surrogate goes as the three bytes that no UTF-8 has."""
    return urlencode(fields, errors="surrogatepass").encode()


async def join(chain: Chain, number: int, client: httpx2.AsyncClient) -> str | None:
    """Type the name into the form; return the card's path, or None where the form came back with a word about it."""
    name, path = CORPUS[number], f"/join/{chain.store.id}"
    own = {"name": name, "email": f"n@n{number}.example", "idempotency_key": str(uuid4())}
    fields = chain.form | own
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post(path, content=typed(fields), headers=headers)
    if answer.status_code == 422:
        assert problems_of(answer.text) == [], name
        assert 'class="field-error"' in answer.text, name
        assert len(name) > NAME_LENGTH_MAX, name
        return None
    assert answer.status_code == 303, (name, answer.text[:300])
    return str(answer.headers["location"])


async def look_at_passes(chain: Chain, client: httpx2.AsyncClient, number: int) -> None:
    """The Apple pass is whole and names the holder as kept; the Google object is as Google describes it."""
    kept, pass_id = chain.kept[number], chain.cards[number]
    answer = await client.get(f"/passes/apple/{pass_id}")
    assert answer.status_code == 200, CORPUS[number]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        content: dict[str, Any] = json.loads(archive.read("pass.json"))
    check_pass(content)
    fields = [one for group in content["storeCard"].values() for one in group]
    holder = [one["value"] for one in fields if one["key"] == "holder"]
    assert holder == ([kept] if kept else []), CORPUS[number]
    async with tenant_scope(chain.process.database, chain.merchant.id) as session:
        view = await card_view(
            session, chain.merchant.id, pass_id, locale="en", now=chain.process.clock.now()
        )
    body = chain.google.object_body(view)
    assert google_problems("LoyaltyObject", body) == [], CORPUS[number]
    assert json.loads(json.dumps(body)) == body
    assert body.get("accountName", "") in {kept, ""}, CORPUS[number]


async def greet(chain: Chain, number: int) -> None:
    """Send the birthday's mail, whose subject says the name; what comes over the wire is one mail to one reader."""
    kept, address = chain.kept[number], f"n@n{number}.example"
    words = default_wording("birthday", "en").filled({"name": kept, "shop": chain.merchant.name})
    async with tenant_scope(chain.process.database, chain.merchant.id) as session:
        message_id = await queue_mail(
            session,
            merchant_id=chain.merchant.id,
            recipient=address,
            kind="message_test",
            locale="en",
            subject=words.subject,
            text=words.text,
            now=chain.process.clock.now(),
        )
    assert message_id is not None
    await send_message(chain.mail_job, message_id=message_id)
    [letter] = chain.office.to(address)
    mail = letter.mail
    assert letter.recipients == (address,)
    assert sorted(set(mail.keys())) == sorted(mail.keys()), CORPUS[number]
    assert (mail["To"], mail.get_all("Bcc"), mail.get_all("Cc")) == (address, None, None)
    assert [one.addr_spec for one in mail["From"].addresses] == ["stempel@localhost"], CORPUS[number]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert list(mail.defects) == []
    if kept:
        # The header may fold its blanks, and what begins an encoded word is taken apart; nothing else is changed.
        said = header_line(words.subject)
        assert str(mail["Subject"]).split() == said.split(), CORPUS[number]
    # A mail's own look is written into it, as every mail programme wants; a page of ours has none.
    html_problems = [one for one in problems_of(letter.html) if not one.startswith(("style on", "<style>"))]
    assert html_problems == [], CORPUS[number]
    assert not ADDRESS.search(letter.text), CORPUS[number]


async def test_every_naughty_name_is_data_everywhere(chain: Chain) -> None:
    """Joined, mailed, put into both wallets, shown to customer and shop, downloaded: nothing breaks, nothing acts."""
    assert len(CORPUS) > 150
    for number, name in enumerate(CORPUS):
        async with chain.client(number) as phone:
            path = await join(chain, number, phone)
            if path is None:
                continue
            chain.cards[number] = UUID(path.rpartition("/")[2])
            # What no UTF-8 has arrives as the sign for it.
            arrived = name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            chain.kept[number] = clean_line(arrived)
            await chain.page(phone, path, name)
            await chain.page(phone, f"{path}/details", name)
            await look_at_passes(chain, phone, number)
        await greet(chain, number)
    assert len(chain.cards) > 150
    await look_at_the_dashboard(chain)
    await look_at_the_download(chain)


async def stored(chain: Chain) -> dict[UUID, tuple[UUID, str]]:
    """Return every card's customer with the name as it is kept."""
    async with tenant_scope(chain.process.database, chain.merchant.id) as session:
        rows = await session.execute(
            text("SELECT p.id, c.id, c.name FROM customer c JOIN pass_object p ON p.customer_id = c.id")
        )
        return {pass_id: (customer_id, name or "") for pass_id, customer_id, name in rows}


async def look_at_the_dashboard(chain: Chain) -> None:
    """Each name is kept as cleaned, found on its own page and on the list, and acts on neither."""
    found = await stored(chain)
    async with chain.client(len(CORPUS)) as owner:
        owner.headers.update(chain.merchant.headers)
        for number, pass_id in chain.cards.items():
            customer_id, name = found[pass_id]
            assert name == chain.kept[number], CORPUS[number]
            await chain.page(owner, f"/dashboard/customers/{customer_id}", CORPUS[number])
        page = "/dashboard/customers"
        for _ in range(len(CORPUS)):
            html = await chain.page(owner, page, "the list")
            following = re.search(r'href="([^"]*[?&](?:amp;)?after=[^"]+)"', html)
            if following is None:
                break
            page = following.group(1).replace("&amp;", "&")
            page = page if page.startswith("/") else f"/dashboard/customers{page}"


async def look_at_the_download(chain: Chain) -> None:
    """A row a customer, each name in its cell, and no cell that a spreadsheet would work out."""
    async with chain.client(len(CORPUS) + 1) as owner:
        owner.cookies.update(chain.merchant.cookies)
        page = await chain.page(owner, "/dashboard/exports", "the exports")
        csrf = hidden_fields(page, "/dashboard/exports/customers")
        answer = await owner.post("/dashboard/exports/customers", data=csrf | {"form": "csv"})
    assert answer.status_code == 200, answer.text[:300]
    header, *rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert all(len(row) == len(header) for row in rows)
    assert not [cell for row in rows for cell in row if cell.startswith(tuple(FORMULA_STARTS))]
    names = [row[header.index("Name")] for row in rows]
    assert sorted(name.removeprefix("'") for name in names) == sorted(
        name.removeprefix("'") for name in chain.kept.values()
    )

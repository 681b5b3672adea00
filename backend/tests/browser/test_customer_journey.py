"""A customer's whole life on phones of 360 px, once in each language, with real mail: from poster to deletion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.i18n import translator
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.settings import save_settings
from app.modules.customers.public import consent_text
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.messaging.jobs import send_marketing
from app.modules.messaging.smtp import MailTransport, SmtpServer, SmtpTransport
from app.modules.nudges.jobs import write_messages
from app.modules.nudges.settings import NudgeSettings
from app.modules.nudges.wording import default_wording
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView
from app.process import Process, build_process
from tests.browser.conftest import Demo, OpenContext, Watched
from tests.browser.post_office import Letter, PostOffice
from tests.browser.steps import CARD_PATH

pytestmark = pytest.mark.browser

LOCALES = {"en": "en-GB", "fr": "fr-LU", "de": "de-LU", "lb": "lb-LU"}
NAME = "Léa Würth"
# What differs between any two cards, and nothing else may: ids, the number, secrets of forms, the drawn code.
UNLIKE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "ID"),
    (re.compile(r"[A-Z0-9]{4} [A-Z0-9]{4} [A-Z0-9]{4}"), "NUMBER"),
    (re.compile(r'value="[\w-]{20,}"'), "SECRET"),
    (re.compile(r'(<svg[^>]*class="[^"]*qr[^"]*".*?</svg>)', re.DOTALL), "CODE"),
    (re.compile(r'(<path[^>]* d=")[^"]*'), "PATH"),
    (
        re.compile(r'revision="\d+"'),
        "REVISION",
    ),  # the worker counts it, sooner for one and later for the other
)


@dataclass
class Journey:
    """A shop of its own in one language, its customer's address, and the phones that were taken up."""

    demo: Demo
    open_context: OpenContext
    office: PostOffice
    process: Process
    merchant: MadeMerchant
    store: StoreView
    pin: str
    language: str
    email: str
    read: int = 0
    # The texts of the catalogues, in the language of the journey.
    say: Callable[..., str] = field(default=str)

    async def phone(self, *, expected: tuple[str, ...] = (), **options: Any) -> Page:
        """Take up another phone, set to the journey's language, and return its first page."""
        taken: Watched = await self.open_context(
            locale=LOCALES[self.language], reduced_motion="reduce", expected=expected, **options
        )
        return await taken.page()

    async def open(self, page: Page, address: str) -> None:
        """Open a page; it is in the language, and fits a phone."""
        await page.goto(address)
        await self.check(page)

    async def check(self, page: Page) -> None:
        """See that the page at hand speaks the language and does not scroll sideways."""
        await expect(page.locator("html")).to_have_attribute("lang", self.language)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) <= 0, page.url

    async def press(self, page: Page, words: str) -> None:
        """Press the button or link with these words of the catalogue."""
        await page.get_by_text(self.say(words), exact=True).locator("visible=true").first.click()

    async def sees(self, page: Page, words: str, **variables: object) -> None:
        """See these words of the catalogue on the page."""
        await expect(
            page.get_by_text(self.say(words, **variables)).locator("visible=true").first
        ).to_be_visible()

    def letter(self, subject: str, **variables: object) -> Letter:
        """Return the next mail with this subject of the catalogue: to the customer alone, in their language."""
        said = self.say(subject, **variables)
        self.read = self.office.wait_for(self.email, subject=said, after=self.read)
        letter = self.office.to(self.email)[self.read - 1]
        assert letter.recipients == (self.email,)
        assert letter.mail["Content-Language"] == self.language
        assert f'lang="{self.language}"' in letter.html
        return letter

    async def open_letter(self, page: Page, letter: Letter) -> None:
        """Follow the link of a mail and press the button behind it."""
        await self.open(page, letter.links[0])
        await page.locator("main form button[type=submit]").first.click()
        await page.wait_for_load_state()
        await self.check(page)

    async def rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Ask the database as the shop."""
        async with tenant_scope(self.process.database, self.merchant.id) as session:
            found = (await session.execute(text(statement), values)).mappings().all()
            return [dict(row) for row in found]


@pytest.fixture(params=sorted(LOCALES))
async def journey(
    request: pytest.FixtureRequest, demo: Demo, open_context: OpenContext, post_office: PostOffice
) -> Any:
    """Return a journey in each of the languages."""
    language = str(request.param)
    process = build_process(demo.server.settings)
    merchant = await make_merchant(process.database, name=f"Kaffi {language.upper()}", locale=language)
    store = await make_store(process.database, merchant, name="Place d’Armes", cooldown_minutes=0)
    _, pin = await make_staff(process.database, store)
    async with tenant_scope(process.database, merchant.id) as session:
        # Mails of the test must not wait for the morning.
        always = NudgeSettings.model_validate({"quiet_from": "00:00", "quiet_to": "00:00"})
        await save_settings(session, always, merchant_id=merchant.id)
    email = f"lea.{uuid4().hex[:10]}@{language}.example"
    yield Journey(
        demo, open_context, post_office, process, merchant, store, pin, language, email,
        say=translator(language).gettext,
    )  # fmt: skip
    await process.aclose()


def alike(html: str) -> str:
    """Return a page without what differs between any two cards."""
    for pattern, name in UNLIKE:
        html = pattern.sub(name, html)
    return html


async def join(journey: Journey, page: Page, *, email: str = "") -> str:
    """Take a card, with name, address and consent where there is an address; return its id."""
    await journey.open(page, journey.store.join_url)
    box = page.get_by_label(consent_text(journey.language))
    await expect(box).not_to_be_checked()
    if email:
        await page.get_by_label(journey.say("Name")).fill(NAME)
        await page.get_by_label(journey.say("Email")).fill(email)
        await box.check()
    await journey.press(page, "Get my card")
    await expect(page).to_have_url(CARD_PATH)
    await journey.check(page)
    return page.url.partition("/card/")[2][:36]


async def test_a_life_with_a_card(journey: Journey, tmp_path: Path) -> None:
    """With nothing, with mail, with a mail that is known, recovered, unsubscribed twice, downloaded, deleted."""
    await with_nothing(journey)
    first = await journey.phone(expected=("/card/",))
    old_card = await with_mail_and_consent(journey, first)
    await with_a_mail_that_is_known(journey, old_card)
    moved = await recovered_on_a_new_phone(journey, old_card)
    await unsubscribed(journey, moved, old_card)
    await downloaded(journey, moved, tmp_path)
    await deleted(journey, moved, first, old_card)


async def with_nothing(journey: Journey) -> None:
    """One tap gives a card; the page asks for an address in small, and has nothing of anybody."""
    page = await journey.phone()
    pass_id = await join(journey, page)
    await journey.sees(page, "Add your email to get reward reminders.")
    person = await journey.rows(
        "SELECT name, email, phone, email_consent, locale FROM customer"
        " JOIN pass_object p ON p.customer_id = customer.id WHERE p.id = :id",
        id=UUID(pass_id),
    )
    assert person == [
        {"name": None, "email": None, "phone": None, "email_consent": False, "locale": journey.language}
    ]


async def with_mail_and_consent(journey: Journey, page: Page) -> str:
    """The address counts once its mailbox has answered; a look by a mail scanner answers nothing."""
    pass_id = await join(journey, page, email=journey.email)
    await journey.sees(page, "Please look in your mailbox.")
    letter = journey.letter("Confirm your e-mail for your card at %(shop)s", shop=journey.merchant.name)
    with journey.demo.server.client() as scanner:
        assert scanner.get(letter.links[0]).status_code == 200
    await page.reload()
    await journey.sees(page, "Please look in your mailbox.")
    await journey.open_letter(page, letter)
    await expect(page.locator("#email-banner")).to_have_count(0)
    given = await journey.rows(
        "SELECT c.text_shown, c.locale, c.source FROM consent_record c JOIN pass_object p"
        " ON p.customer_id = c.customer_id WHERE p.id = :id ORDER BY c.id LIMIT 1",
        id=UUID(pass_id),
    )
    assert [tuple(row.values()) for row in given] == [
        (consent_text(journey.language), journey.language, "join_page")
    ]
    return pass_id


async def with_a_mail_that_is_known(journey: Journey, old_card: str) -> None:
    """The screen is the one of a new address, to the last tag; the old card comes by its mailbox alone."""
    stranger = await journey.phone(expected=("/card/",))
    new = await journey.phone()
    await join(journey, new, email=f"neu-{journey.email}")
    await join(journey, stranger, email=journey.email)
    shown = [
        alike((await one.content()).replace(f"neu-{journey.email}", journey.email)) for one in (new, stranger)
    ]
    assert shown[0] == shown[1]
    texts = [
        alike((await one.locator("body").inner_text()).replace(f"neu-{journey.email}", journey.email))
        for one in (new, stranger)
    ]
    assert texts[0] == texts[1]
    await stranger.goto(f"/card/{old_card}")
    await journey.sees(stranger, "This card is not on this device")
    letter = journey.letter("Your card at %(shop)s", shop=journey.merchant.name)
    await journey.open_letter(stranger, letter)
    await expect(stranger).to_have_url(re.compile(f"/card/{old_card}$"))


async def recovered_on_a_new_phone(journey: Journey, old_card: str) -> Page:
    """A new phone asks by the shop's page, and the card moves by its mailbox."""
    phone = await journey.phone(expected=("/card/",), accept_downloads=True)
    await journey.open(phone, journey.store.join_url)
    await journey.press(phone, "I already have a card")
    await phone.get_by_label(journey.say("Email")).fill(journey.email)
    await journey.press(phone, "Send me the link")
    await journey.sees(phone, "If the address has a card here, the link to it is on its way.")
    await journey.open_letter(phone, journey.letter("Your card at %(shop)s", shop=journey.merchant.name))
    await expect(phone).to_have_url(re.compile(f"/card/{old_card}$"))
    await journey.open(phone, "/cards")
    await expect(phone.locator(f'a[href="/card/{old_card}"]')).to_have_count(1)
    return phone


async def nudge(journey: Journey, old_card: str) -> Letter:
    """Stamp the card until one is missing, let its few hours pass, and return the mail that comes of it."""
    with journey.demo.server.client() as till:
        body = {"pass_id": old_card, "staff_pin": journey.pin, "quantity": 9}
        answer = till.post(f"/stamp/{journey.store.id}", json=body)
        assert answer.json()["stamp_count"] == 9, answer.text
    async with tenant_scope(journey.process.database, journey.merchant.id) as session:
        await session.execute(
            text("UPDATE pass_object SET last_visit_at = :at WHERE id = :id"),
            {"at": datetime.now(UTC) - timedelta(hours=3), "id": UUID(old_card)},
        )
    await write_now(journey)
    return journey.letter(default_wording("one_away", journey.language).subject.partition("{")[0])


async def write_now(journey: Journey) -> None:
    """Write and send this shop's messages: the worker may come to them after all the demo's cards."""
    resources = Resources()
    resources._objects.update(journey.process.resources._objects)  # noqa: SLF001
    server = SmtpServer("127.0.0.1", journey.office.port, tls="offered")
    resources.put(MailTransport, SmtpTransport(server))  # type: ignore[type-abstract]
    parts = {name: getattr(journey.process, name) for name in ("database", "settings", "clock", "registry")}
    context = JobContext(**parts, resources=resources, merchant_id=journey.merchant.id)
    await write_messages(context)
    [row] = await journey.rows(
        "SELECT id FROM outbox_message WHERE recipient = :email AND kind = 'one_away'", email=journey.email
    )
    with suppress(TryAgain):  # the worker was quicker: the letter is on its way
        await send_marketing(context, message_id=row["id"])


async def unsubscribed(journey: Journey, page: Page, old_card: str) -> None:
    """By the one click of a mail programme, which has no cookie; and after agreeing again by the page."""
    letter = await nudge(journey, old_card)
    assert letter.mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    one_click = str(letter.mail["List-Unsubscribe"]).strip("<>")
    with journey.demo.server.client() as programme:
        assert programme.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert await is_agreed(journey, old_card) is False
    preferences = next(link for link in letter.links if "/mail/preferences/" in link)
    await journey.open(page, preferences)
    await journey.sees(page, "You get no reminders and no promotions by mail.")
    await page.get_by_label(consent_text(journey.language)).check()
    await journey.press(page, "Save")
    assert await is_agreed(journey, old_card) is True
    await journey.press(page, "Stop all mails")
    await journey.sees(page, "We will not write any more.")
    assert await is_agreed(journey, old_card) is False


async def is_agreed(journey: Journey, pass_id: str) -> bool:
    """Tell what the books say about the consent."""
    rows = await journey.rows(
        "SELECT email_consent FROM customer JOIN pass_object p ON p.customer_id = customer.id WHERE p.id = :id",
        id=UUID(pass_id),
    )
    return bool(rows[0]["email_consent"])


async def downloaded(journey: Journey, page: Page, folder: Path) -> None:
    """One file with name, address, stamps and every consent, given and taken back."""
    await journey.open(page, "/cards")
    await page.locator("a.card-link").first.click()
    await page.locator("#my-data summary").click()
    async with page.expect_download() as started:
        await journey.press(page, "Download my data")
    file = folder / "my-card.json"
    await (await started.value).save_as(file)
    known = json.loads(file.read_text())
    told = json.dumps(known, ensure_ascii=False)
    assert NAME in told
    assert journey.email in told
    assert known["cards"]["cards"][0]["stamp_count"] == 9
    assert {"join_page", "one_click", "preference_page", "unsubscribe_link"} <= set(
        re.findall(r'"source": "(\w+)"', told)
    )


async def deleted(journey: Journey, page: Page, other: Page, old_card: str) -> None:
    """The mailbox is asked first; then the card is gone from this phone and from every other."""
    await journey.press(page, "Delete my data")
    await journey.sees(page, "What happens")
    await journey.press(page, "Send me the link")
    await journey.sees(
        page, "Nothing is deleted before you press the button behind the link. It works for two days."
    )
    await journey.open_letter(
        page, journey.letter("Delete your data at %(shop)s?", shop=journey.merchant.name)
    )
    await journey.sees(page, "Your data is deleted.")
    for phone in (page, other):
        await phone.goto(f"/card/{old_card}")
        await journey.sees(phone, "This card is not on this device")
    left = await journey.rows("SELECT count(*) AS n FROM customer WHERE email = :email", email=journey.email)
    assert left[0]["n"] == 0

"""What the dashboard shows is the mail that arrives; mails that were asked for keep their link, whatever the words."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.adapters import resources_of
from app.kernel.i18n import LANGUAGES
from app.kernel.permissions import Principal
from app.modules.cards.factories import make_card
from app.modules.cards.public import send_my_card
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.messaging.layout import Brand, render_html
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import Part, split_text
from app.modules.messaging.service import unseal_mail
from app.modules.nudges.rules import ALL_KINDS, ASKED_KINDS
from app.modules.nudges.tests.world import Shop
from app.modules.nudges.wording import default_wording
from app.utils.security import Keyring


def visible(html: str) -> str:
    """Return what a reader sees of a page, as one line."""
    body = re.sub(r"<(style|title)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def last_mail(shop: Shop, kind: str) -> Any:
    """Return what the newest mail of a kind says."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = await session.scalars(
            select(OutboxMessage).where(OutboxMessage.kind == kind).order_by(OutboxMessage.id.desc())
        )
        row = rows.first()
        assert row is not None
        return unseal_mail(resources_of(session).get(Keyring), row.id, row.content)


@pytest.mark.parametrize("kind", sorted(ALL_KINDS))
async def test_each_message_is_shown_as_a_mail_in_each_language(shop: Shop, kind: str) -> None:
    """The frame holds the mail in the shop's name, with our words filled in; only ours may frame it, nothing runs."""
    for locale in LANGUAGES:
        answer = await shop.page(f"/automatic/{kind}/mail?locale={locale}")
        assert answer.status_code == 200
        assert f'<html lang="{locale}"' in answer.text
        words = default_wording(kind, locale).filled({"name": "Anna", "shop": shop.merchant.name})
        assert words.text.split("{")[0].split("\n")[0] in visible(answer.text)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "sandbox" in policy
        assert "script-src" not in policy
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        page = await shop.page(f"/automatic/{kind}?locale={locale}")
        assert f'src="/dashboard/messages/automatic/{kind}/mail?locale={locale}"' in unescape(page.text)
        assert "frame-src 'self'" in page.headers["content-security-policy"]


async def test_what_is_typed_is_shown_before_it_is_kept(shop: Shop) -> None:
    """The button fills the frame with the words as typed, escaped; nothing is kept and nothing is sent."""
    form = {"locale": "en", "subject": "For {name}", "text": "<b>Hi</b> {name} at {shop}", "wish": "preview"}
    answer = await shop.page("/automatic/birthday", form)
    assert answer.status_code == 200
    assert "For Anna" in visible(answer.text)
    assert "<b>Hi</b>" not in answer.text
    assert f"&lt;b&gt;Hi&lt;/b&gt; Anna at {shop.merchant.name}" in answer.text
    assert await shop.mails() == []
    shown = await shop.page("/automatic/birthday?locale=en")
    assert "For {name}" not in shown.text


async def test_news_is_shown_as_it_will_arrive(shop: Shop) -> None:
    """The frame and the mail that goes say the same; another shop's is not found."""
    await shop.card(name="Anna")
    path = await shop.news()
    framed = await shop.page(f"{path}/mail")
    assert "Sale, Anna" in visible(framed.text)
    await shop.send_news(path)
    sent = await last_mail(shop, "promotion")
    assert sent.subject == "Sale, Anna"
    for paragraph in sent.text.split("\n\n")[:2]:
        assert paragraph in visible(framed.text)
    shop.merchant = await make_merchant(shop.database)
    assert (await shop.page(f"{path}/mail")).status_code == 404


@pytest.mark.parametrize("locale", list(LANGUAGES))
async def test_our_words_for_asked_mails_are_the_ones_that_go(shop: Shop, locale: str) -> None:
    """What the page offers to change is what the cards say by themselves."""
    email = f"anna-{locale}@example.com"
    for kind, verified in (("verify_address", False), ("card_link", True)):
        await make_card(shop.database, shop.store, email=email, verified=verified, locale=locale)
        if verified:
            async with tenant_scope(shop.database, shop.merchant.id) as session:
                await send_my_card(session, shop.store, email=email, locale=locale, now=shop.clock.now())
        mail = await last_mail(shop, "card_link")
        words = default_wording(kind, locale).filled({"name": "", "shop": shop.merchant.name})
        assert (mail.subject, mail.text.split("\n")[0]) == (words.subject, words.text)


async def test_a_shops_words_stand_before_the_link_and_cannot_take_it_away(shop: Shop) -> None:
    """Own words go out in their language; the link and our lines follow; switched off, ours are back."""
    form = {"locale": "fr", "subject": "Bienvenue {name}", "text": "Chez {shop}, un clic :", "wish": "save"}
    assert (await shop.page("/automatic/verify_address", form)).status_code == 303
    await make_card(shop.database, shop.store, name="Zoé", email="zoe@example.com", locale="fr")
    mail = await last_mail(shop, "card_link")
    assert mail.subject == "Bienvenue Zoé"
    lines = mail.text.split("\n\n")
    assert lines[0] == f"Chez {shop.merchant.name}, un clic :"
    assert re.fullmatch(r"http://testserver/card/link/[\w-]+", lines[1])
    assert "sept jours" in lines[2]
    await make_card(shop.database, shop.store, name="Max", email="max@example.com", locale="de")
    assert (await last_mail(shop, "card_link")).subject.startswith("Bestätigen Sie")
    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await switch_feature(session, owner, "nudges", is_on=False, now=shop.clock.now())
    await make_card(shop.database, shop.store, name="Léa", email="lea@example.com", locale="fr")
    assert (await last_mail(shop, "card_link")).subject != "Bienvenue Léa"


async def test_a_name_is_never_a_link_in_a_mail(shop: Shop) -> None:
    """Whoever types an address of the web as a name and a stranger's mailbox makes no link and no button of ours."""
    form = {
        "locale": "en",
        "subject": "Welcome {name}",
        "text": "Hello\n\n{name}\n\nOne click:",
        "wish": "save",
    }
    assert (await shop.page("/automatic/verify_address", form)).status_code == 303
    name = "http://evil.example/win"
    await make_card(shop.database, shop.store, name=name, email="victim@example.com", locale="en")
    mail = await last_mail(shop, "card_link")
    assert name not in mail.text
    assert name in mail.text.replace("\u200b", ""), "it is still read as it was typed"
    assert [part.url for part in links(mail.text)] == [mail.text.split("\n\n")[3]]
    assert mail.text.split("\n\n")[3].startswith("http://testserver/card/link/")
    html = render_html(mail, Brand("Kaffi", is_merchant=True), locale="en")
    assert "evil" in html
    assert not re.search(r'href="[^"]*evil', html)


def links(text: str) -> list[Part]:
    """Return what the HTML of a mail makes a link of."""
    return [part for para in split_text(text) for line in para.lines for part in line if part.url]


@pytest.mark.parametrize("kind", sorted(ASKED_KINDS))
async def test_what_was_asked_for_cannot_be_switched_off(shop: Shop, kind: str) -> None:
    """There is a page for its words and none to switch it; an unknown place is refused as anywhere."""
    assert (await shop.page(f"/automatic/{kind}/off", {})).status_code == 404
    form = {"locale": "en", "subject": "x", "text": "{reward}", "wish": "save"}
    refused = await shop.page(f"/automatic/{kind}", form)
    assert refused.status_code == 422
    assert "{reward}" in refused.text
    tested = await shop.page(f"/automatic/{kind}", form | {"text": "{shop}", "wish": "test"})
    assert tested.status_code == 303
    assert (await last_mail(shop, "message_test")).text.startswith(shop.merchant.name)

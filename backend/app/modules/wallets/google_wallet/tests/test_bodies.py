"""Classes and objects as Google's own description of its API wants them."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from io import BytesIO
from typing import NoReturn

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from PIL import Image

from app.modules.wallets.google_wallet.images import (
    HERO_SIZE,
    draw_picture,
    hero_picture,
    logo_picture,
    picture_token,
    read_picture,
)
from app.modules.wallets.google_wallet.save_link import (
    JWT_LENGTH_MAX,
    LinkTooLong,
    make_jwt,
    save_url,
    skinny_jwt,
)
from app.modules.wallets.google_wallet.tests.builders import (
    ISSUER,
    NOW,
    make_account,
    make_bodies,
    make_view,
    problems_of,
)
from app.modules.wallets.hooks import PassField
from app.modules.wallets.rules import PALETTES
from app.modules.wallets.view import NextReward
from app.utils.security import Keyring

ODD_NAMES = (
    "Anna Müller",
    "",
    " ",
    "x" * 500,
    "Ω≈ç√ 日本語 العربية",
    "👩‍👩‍👧‍👦" * 30,
    "<script>alert(1)</script>",
    '"}]},{',
    "a\ud800b",
    "%s{{7*7}}${x}",
)
REQUIRED = {
    "LoyaltyClass": {"id", "issuerName", "programName", "programLogo", "reviewStatus"},
    "LoyaltyObject": {"id", "classId", "state"},
}
SAMPLES = list(
    itertools.product(("stamps", "points", "hybrid"), ("en", "fr", "de", "lb"), range(len(ODD_NAMES)))
)


@pytest.mark.parametrize(("loyalty_type", "locale", "name"), SAMPLES)
def test_every_body_is_what_google_describes(loyalty_type: str, locale: str, name: int) -> None:
    """Known fields, right types and words, required fields there, texts never empty, ids in Google's alphabet."""
    odd = ODD_NAMES[name]
    view = make_view(
        loyalty_type=loyalty_type,
        locale=locale,
        merchant_name=odd,
        program_name=odd,
        customer_name=odd,
        store_names=(odd,) * 30,
        points_balance=-5,
        fields=tuple(PassField(f"tier.{i}", odd, odd) for i in range(20)),
    )
    bodies = {
        "LoyaltyClass": make_bodies().class_body(view),
        "LoyaltyObject": make_bodies().object_body(view, card_token="secret"),
    }

    for kind, body in bodies.items():
        assert problems_of(kind, body) == []
        assert set(body) >= REQUIRED[kind]
        assert re.fullmatch(rf"{ISSUER}\.[A-Za-z0-9._-]+", body["id"])
        assert all(value not in ("", None) for value in body.values())
    assert bodies["LoyaltyClass"]["reviewStatus"] == "UNDER_REVIEW"
    assert len(bodies["LoyaltyObject"]["textModulesData"]) <= 10
    assert all("." not in module["id"] for module in bodies["LoyaltyObject"]["textModulesData"])
    assert len(bodies["LoyaltyObject"]["accountId"]) <= 20
    assert ("secondaryLoyaltyPoints" in bodies["LoyaltyObject"]) == (loyalty_type == "hybrid")
    assert len(bodies["LoyaltyObject"]["loyaltyPoints"]["label"]) <= 9


def test_the_check_itself_can_fail() -> None:
    """The control: a wrong type, an unknown field and an unknown word are each found."""
    body = make_bodies().object_body(make_view())

    assert problems_of("LoyaltyObject", body | {"accountId": 5})
    assert problems_of("LoyaltyObject", body | {"acountId": "x"})
    assert problems_of("LoyaltyObject", body | {"state": "OPEN"})


def test_a_name_and_the_link_that_opens_the_card_wait_until_the_holder_asks() -> None:
    """Before the pass is wanted, Google is told neither; afterwards both."""
    before = make_bodies().object_body(make_view())
    after = make_bodies().object_body(make_view(), card_token="secret")

    assert "accountName" not in before
    assert "Müller" not in str(before)
    assert "?t=" not in str(before)
    assert after["accountName"] == "Anna Müller"
    assert "?t=secret" in str(after)


@pytest.mark.parametrize(
    ("status", "state"),
    [("active", "ACTIVE"), ("blocked", "INACTIVE"), ("merged", "EXPIRED"), ("erased", "EXPIRED")],
)
def test_a_cards_state_is_the_passes(status: str, state: str) -> None:
    """A card that is gone ends the pass; an erased one keeps nothing but its ids."""
    body = make_bodies().object_body(make_view(status=status), card_token="secret")

    assert body["state"] == state
    assert (set(body) == {"id", "classId", "state", "accountId", "messages"}) == (status == "erased")


def test_google_gets_a_callback_address_only_when_it_is_https() -> None:
    """Google refuses the class otherwise; a stand-in takes any address."""
    to_google = make_bodies(api_url="https://walletobjects.googleapis.com/walletobjects/v1")
    plain = type(to_google)(to_google.account, "http://localhost:8000", to_google.keyring)

    assert to_google.class_body(make_view())["callbackOptions"] == {
        "url": "https://cards.example.com/google/callbacks"
    }
    assert "callbackOptions" not in plain.class_body(make_view())


def _refuse_to_read(*_values: object, **_options: object) -> NoReturn:
    raise AssertionError("a key's text is read and tested again")


def test_a_key_is_read_once_however_many_links_it_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and testing a key's text takes a hundred times as long as a signature, which is what a link costs."""
    account = make_account()
    skinny_jwt(account, object_id="1.a", class_id="1.b", now=NOW)
    monkeypatch.setattr(serialization, "load_pem_private_key", _refuse_to_read)
    monkeypatch.setattr(jwt.algorithms, "load_pem_private_key", _refuse_to_read)

    assert skinny_jwt(account, object_id="1.c", class_id="1.b", now=NOW).count(".") == 2


def test_control_signing_with_the_text_reads_it_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: given the text, the library reads it at the signature, on the event loop."""
    monkeypatch.setattr(jwt.algorithms, "load_pem_private_key", _refuse_to_read)

    with pytest.raises(AssertionError, match="read and tested again"):
        jwt.encode({}, make_account().private_key, algorithm="RS256")


def test_the_save_link_is_signed_and_short() -> None:
    """RS256 by the service account, the documented claims, two ids and no more, far below the limit."""
    account = make_account()
    body = make_bodies().object_body(make_view())
    token = skinny_jwt(account, object_id=body["id"], class_id=body["classId"], now=NOW)
    public_key = load_pem_private_key(account.private_key.encode(), None).public_key()

    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    claims = jwt.decode(token, public_key, algorithms=["RS256"], audience="google")
    assert claims == {
        "iss": account.client_email,
        "aud": "google",
        "typ": "savetowallet",
        "iat": int(NOW.timestamp()),
        "origins": [],
        "payload": {"loyaltyObjects": [{"id": body["id"], "classId": body["classId"]}]},
    }
    assert len(token) <= 1_100 < JWT_LENGTH_MAX
    assert save_url(token).startswith("https://pay.google.com/gp/v/save/ey")


def test_a_link_that_browsers_would_cut_is_refused() -> None:
    """The fat JWT of a whole object is measured."""
    body = make_bodies().object_body(make_view(), card_token="x" * 100)
    with pytest.raises(LinkTooLong):
        make_jwt(make_account(), body, now=NOW)


@pytest.mark.parametrize(
    ("count", "needed"), [(0, 1), (1, 1), (7, 10), (10, 10), (3, 17), (99, 100), (5, 500)]
)
def test_the_stamps_are_drawn(count: int, needed: int) -> None:
    """A PNG of Google's size, small, and different for each count."""
    png = draw_picture(
        hero_picture(make_view(colors=PALETTES["plum"], stamp_count=count, stamps_needed=needed))
    )
    image = Image.open(BytesIO(png))

    assert (image.format, image.size) == ("PNG", HERO_SIZE)
    assert len(png) < 60_000
    other = 0 if count else 1
    changed = make_view(colors=PALETTES["plum"], stamp_count=other, stamps_needed=needed)
    assert png != draw_picture(hero_picture(changed))


def test_pictures_carry_the_shops_own_icon_and_colours() -> None:
    """Another icon or palette is another picture; an unknown icon becomes a star, as on Apple's pass."""
    view = make_view()
    drawn = {
        draw_picture(picture(one))
        for picture in (hero_picture, logo_picture)
        for one in (view, replace(view, icon="scissors"), replace(view, colors=PALETTES["brick"]))
    }
    assert len(drawn) == 6
    star, unknown = (draw_picture(hero_picture(replace(view, icon=icon))) for icon in ("star", "../x"))
    assert star == unknown


def test_a_points_card_shows_how_far_the_reward_is() -> None:
    """A bar that moves in steps, and is full when something waits."""
    ahead = NextReward("Cake", 100, 40, "points", "40 points to go")
    view = make_view(loyalty_type="points", next_reward=ahead)

    assert (hero_picture(view).kind, hero_picture(view).count) == ("bar", 12)
    assert hero_picture(replace(view, next_reward=None, rewards_waiting=1)).count == 20
    assert Image.open(BytesIO(draw_picture(hero_picture(view)))).size == HERO_SIZE


def test_a_pictures_address_cannot_be_made_up() -> None:
    """Only what we signed is drawn, and it names no card."""
    keyring = Keyring.for_tests()
    picture = hero_picture(make_view(stamp_count=3))
    token = picture_token(keyring, picture)

    assert read_picture(keyring, token) == picture
    assert read_picture(Keyring.for_tests(), token) is None
    for wrong in ("", ".", "x.y", token[:-1], "A" + token[1:], token * 9, "é.é"):
        assert read_picture(keyring, wrong) is None, wrong

"""The card designer over HTTP: what is saved, what is only shown, whose pictures count."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from PIL import Image, ImageDraw
from sqlalchemy import select, text

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.cards.factories import make_card
from app.modules.design.cards.pictures import PICTURES_MAX
from app.modules.design.models import DesignPicture
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView, get_store
from app.utils.id_generator import new_id

BLANK = {"kind": "logo", "png": b"", "width": 1, "height": 1, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
PLAIN = {"look": "plum", "icon": "scissors", "logo": ""}


def picture(*, size: tuple[int, int] = (200, 100), color: str = "#ff0000") -> bytes:
    """Return a PNG: the left half in a colour, the right half white."""
    image = Image.new("RGB", size, "#ffffff")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=color)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def shape() -> bytes:
    """Return a PNG: a black square in the middle of a white one."""
    image = Image.new("RGB", (100, 100), "#ffffff")
    ImageDraw.Draw(image).rectangle((30, 30, 70, 70), fill="#000000")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


async def send(
    client: httpx2.AsyncClient,
    merchant: MadeMerchant,
    path: str,
    *,
    data: dict[str, str],
    files: dict[str, Any] | None = None,
    htmx: bool = False,
) -> httpx2.Response:
    """Send a form of the designer with the page's token."""
    client.cookies.clear()
    for name, value in merchant.cookies.items():
        client.cookies.set(name, value)
    page = await client.get(path.partition("/design")[0] + "/design")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None, page.text[:300]
    headers = {"HX-Request": "true"} if htmx else {}
    return await client.post(path, data={**data, "csrf": token[1]}, files=files, headers=headers)


async def stored(database: Database, merchant: MadeMerchant, store: StoreView) -> dict[str, Any]:
    """Return the programme's design as it stands."""
    async with tenant_scope(database, merchant.id) as session:
        return dict((await get_store(session, merchant.id, store.id)).program.design)


async def marks(database: Database, merchant: MadeMerchant) -> int:
    """Return how many jobs wait that redraw a programme's cards."""
    async with database.sessions() as session:
        found = await session.scalar(
            text(
                "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'wallets.mark_program'"
                " AND headers->>'merchant_id' = :id"
            ),
            {"id": str(merchant.id)},
        )
    return int(found or 0)


async def test_a_saved_design_is_on_the_card(client: httpx2.AsyncClient, database: Database) -> None:
    """Palette, picture and texts are kept by language, and one job redraws the cards."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design"
    before = await marks(database, merchant)

    data = {**PLAIN, "title_en": "Gold Card", "title_fr": "Carte Or", "terms_en": "One a day."}
    response = await send(client, merchant, f"{url}/save", data=data)

    assert response.status_code == 303
    assert response.headers["location"] == url
    assert await stored(database, merchant, store) == {
        "palette": "plum",
        "icon": "scissors",
        "title": "Gold Card",
        "texts": {"en": {"title": "Gold Card", "terms": "One a day."}, "fr": {"title": "Carte Or"}},
    }
    assert await marks(database, merchant) == before + 1


async def test_a_preview_saves_nothing(client: httpx2.AsyncClient, database: Database) -> None:
    """The fragment shows the three outputs in the new colours; the design stays, and no job is queued."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design"
    own = {"look": "own", "background_color": "#102030", "foreground_color": "#ffffff", "icon": "paw"}
    before = await marks(database, merchant)

    data = {**own, "accent_color": "#ffee00", "title_de": "Goldkarte", "show": "de"}
    response = await send(client, merchant, f"{url}/preview", data=data, htmx=True)

    assert response.status_code == 200
    assert response.text.lstrip().startswith('<div id="preview"')
    assert "/colors/102030-ffffff-ffee00.css" in response.text
    for shown in ("Apple Wallet", "Google Wallet", "Goldkarte"):
        assert shown in response.text
    assert await stored(database, merchant, store) == {}
    assert await marks(database, merchant) == before


async def test_pictures_of_a_preview_are_drawn(client: httpx2.AsyncClient, database: Database) -> None:
    """The strip and the hero image on the page are the ones that wallets get."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design/preview"

    page = await send(client, merchant, url, data=PLAIN, htmx=True)

    addresses = set(re.findall(r'src="(/wallet-pictures/[^"]+)"', page.text))
    assert len(addresses) == 3
    sizes = set()
    for address in addresses:
        sizes.add(Image.open(io.BytesIO((await client.get(address)).content)).size)
    assert sizes == {(750, 288), (1032, 336), (660, 660)}


async def test_weak_colours_come_with_a_better_one(client: httpx2.AsyncClient, database: Database) -> None:
    """Grey on white is called hard to see; the suggestion taken over stands in the whole page without scripts."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design/preview"
    data = {"look": "own", "background_color": "#ffffff", "foreground_color": "#bbbbbb", "icon": "paw"}
    data["accent_color"] = "#000000"

    weak = await send(client, merchant, url, data=data)
    offered = re.search(r'name="use" value="foreground_color=(#[0-9a-f]{6})"', weak.text)
    assert offered is not None
    better = await send(client, merchant, url, data={**data, "use": f"foreground_color={offered[1]}"})

    assert "Hard to see" in weak.text
    assert "Hard to see" not in better.text
    assert f'name="foreground_color" value="{offered[1]}"' in better.text
    assert await stored(database, merchant, store) == {}


async def upload(
    client: httpx2.AsyncClient, merchant: MadeMerchant, store: StoreView, kind: str, **crop: str
) -> str:
    """Upload a picture and return its hash."""
    url = f"/dashboard/stores/{store.id}/design/pictures/{kind}"
    content = picture() if kind == "logo" else shape()
    data = {f"{kind}_{name}": value for name, value in crop.items()}
    sent = await send(
        client, merchant, url, data=data, files={f"{kind}_file": ("x.png", content, "image/png")}
    )
    assert sent.status_code == 303, sent.text[:300]
    found = re.search(rf"\?{kind}=([0-9a-f]{{32}})#", sent.headers["location"])
    assert found is not None
    return found[1]


async def test_a_logo_is_cut_kept_and_given_out_for_ever(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """Only the chosen half is kept, under an address anybody may fetch; no card has it before it is saved."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)

    digest = await upload(client, merchant, store, "logo", crop_width="50")
    assert await stored(database, merchant, store) == {}
    url = f"/dashboard/stores/{store.id}/design"
    await send(client, merchant, f"{url}/save", data={**PLAIN, "logo": digest})

    logo_url = (await stored(database, merchant, store))["logo_url"]
    client.cookies.clear()
    answer = await client.get(logo_url)
    image = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert image.size == (100, 100)
    assert {image.getpixel((1, 1)), image.getpixel((98, 98))} == {(255, 0, 0)}
    round_logo = await client.get(logo_url.replace(".png", "/round.png"))
    assert Image.open(io.BytesIO(round_logo.content)).size == (660, 660)


async def test_an_own_stamp_is_inked_in_the_cards_colours(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """The dark shape in the upload becomes the mask, and Google's picture of the card is drawn with it."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    digest = await upload(client, merchant, store, "stamp")
    icon = f"own-{merchant.id.hex}-{digest}"
    url = f"/dashboard/stores/{store.id}/design"

    saved = await send(client, merchant, f"{url}/save", data={**PLAIN, "icon": icon})
    page = await send(client, merchant, f"{url}/preview", data={**PLAIN, "icon": icon}, htmx=True)
    star = await send(client, merchant, f"{url}/preview", data={**PLAIN, "icon": "star"}, htmx=True)

    assert saved.status_code == 303
    assert (await stored(database, merchant, store))["icon"] == icon
    mask = await client.get(f"/pictures/{merchant.id.hex}/{digest}.png")
    alpha = Image.open(io.BytesIO(mask.content)).getchannel("A")
    assert alpha.size == (192, 192)
    assert (alpha.getpixel((96, 96)), alpha.getpixel((8, 8))) == (255, 0)
    strips = [re.search(r'class="pass-strip" src="([^"]+)"', shown.text) for shown in (page, star)]
    drawn = [(await client.get(strip[1])).content for strip in strips if strip]
    assert drawn[0] != drawn[1]


async def test_an_upload_keeps_what_was_typed_and_chosen(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """The form comes back with its texts and colours and the new photo chosen; nothing is saved yet."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design/pictures/photo"
    typed = {**PLAIN, "look": "night", "title_en": "Half typed", "photo_crop_width": "50"}
    files = {"photo_file": ("x.png", picture(size=(1200, 400)), "image/png")}

    page = await send(client, merchant, url, data=typed, files=files)
    refused = await send(
        client, merchant, url, data=typed, files={"photo_file": ("x.png", b"no", "image/png")}
    )

    assert (page.status_code, refused.status_code) == (200, 422)
    for answer in (page, refused):
        assert 'value="Half typed"' in answer.text
        assert re.search(r'name="look" value="night" checked', answer.text)
    chosen = re.search(r'name="ground" value="photo-([0-9a-f]{32})-([0-9a-f]{32})" checked', page.text)
    assert chosen is not None
    kept = await client.get(f"/pictures/{chosen[1]}/{chosen[2]}.png")
    assert Image.open(io.BytesIO(kept.content)).size == (600, 400)
    assert await stored(database, merchant, store) == {}


@pytest.mark.parametrize("ground", ["waves", "photo"])
async def test_a_ground_is_under_the_stamps_everywhere(
    client: httpx2.AsyncClient, database: Database, ground: str
) -> None:
    """Apple's strip, Google's picture and the card in the browser show it; another merchant's photo is refused."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design"
    other = f"photo-{new_id().hex}-{'0' * 32}"
    if ground == "photo":
        ground = f"photo-{merchant.id.hex}-{await upload(client, merchant, store, 'photo')}"

    wrong = await send(client, merchant, f"{url}/save", data={**PLAIN, "ground": other})
    plain = await send(client, merchant, f"{url}/preview", data=PLAIN, htmx=True)
    shown = await send(client, merchant, f"{url}/preview", data={**PLAIN, "ground": ground}, htmx=True)
    saved = await send(client, merchant, f"{url}/save", data={**PLAIN, "ground": ground})

    assert (wrong.status_code, saved.status_code) == (422, 303)
    assert (await stored(database, merchant, store))["ground"] == ground
    drawn = []
    for page in (plain, shown):
        addresses = re.findall(r'class="pass-strip" src="([^"]+)"', page.text)
        drawn.append([(await client.get(address)).content for address in addresses])
    assert len(drawn[0]) == len(drawn[1]) == 2
    assert not set(drawn[0]) & set(drawn[1])
    css = (await client.get(f"/theme/{store.program.id}.css?m={merchant.id}")).text
    under = re.search(r"--card-ground: url\((/wallet-pictures/[^)]+)\)", css)
    assert under is not None
    assert Image.open(io.BytesIO((await client.get(under[1])).content)).size == (720, 540)


async def test_pictures_of_others_get_on_no_card(client: httpx2.AsyncClient, database: Database) -> None:
    """A hash or an icon of another merchant, and one that never was, are refused and change nothing."""
    other = await make_merchant(database)
    digest = await upload(client, other, await make_store(database, other), "logo")
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design"

    for wrong in (
        {"logo": digest},
        {"icon": f"own-{other.id.hex}-{digest}"},
        {"icon": "own-x"},
        {"icon": "no"},
    ):
        response = await send(client, merchant, f"{url}/save", data={**PLAIN, **wrong})
        assert response.status_code == 422, wrong
    assert await stored(database, merchant, store) == {}


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"GIF89a"])
async def test_what_is_no_picture_is_refused(
    client: httpx2.AsyncClient, database: Database, content: bytes
) -> None:
    """Anything but PNG, JPEG and WebP comes back with words, and nothing is kept."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design/pictures/logo"

    response = await send(
        client, merchant, url, data={}, files={"logo_file": ("x.png", content, "image/png")}
    )

    assert response.status_code == 422
    assert "PNG, JPEG or WebP" in response.text
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(text("SELECT count(*) FROM design_picture")) == 0


async def test_the_count_stands_there_before_it_is_sent(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """Without a card anything may change; with one the page says that one card changes."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/dashboard/stores/{store.id}/design"

    empty = await client.get(url, headers=merchant.headers)
    await make_card(database, store)
    one = await client.get(url, headers=merchant.headers)

    assert "No card is out yet" in empty.text
    assert "1 card changes." in one.text


async def test_points_alone_offer_no_picture_of_a_stamp(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """A programme without stamps asks for none, neither in the designer nor in the first steps."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "points")

    for path in (f"/dashboard/stores/{store.id}/design", "/dashboard/start/design"):
        page = await client.get(path, headers=merchant.headers)
        assert page.status_code == 200
        assert "Picture of a stamp" not in page.text


async def test_the_designer_is_not_for_strangers(client: httpx2.AsyncClient, database: Database) -> None:
    """Nobody and no other merchant sees it."""
    store = await make_store(database, await make_merchant(database))
    stranger = await make_merchant(database)
    url = f"/dashboard/stores/{store.id}/design"

    client.cookies.clear()
    assert (await client.get(url)).status_code == 401
    assert (await client.get(url, headers=stranger.headers)).status_code == 404


async def entries(database: Database, merchant: MadeMerchant) -> list[tuple[str, dict[str, Any]]]:
    """Return what the trail says of the merchant's pictures, oldest first."""
    async with tenant_scope(database, merchant.id) as session:
        rows = await session.execute(
            select(AuditEntry.action, AuditEntry.facts)
            .where(AuditEntry.target_kind == "design_picture")
            .order_by(AuditEntry.id)
        )
        return [(action, facts) for action, facts in rows]


async def test_pictures_that_come_and_go_are_in_the_trail(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """An upload leaves an entry, the same picture again none, and so does the unused one that makes room."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    digest = await upload(client, merchant, store, "logo")
    assert await upload(client, merchant, store, "logo") == digest
    async with tenant_scope(database, merchant.id) as session:
        session.add_all(
            DesignPicture(merchant_id=merchant.id, id=new_id(), digest=f"{number:032x}", **BLANK)
            for number in range(PICTURES_MAX - 1)
        )

    await upload(client, merchant, store, "stamp")

    assert await entries(database, merchant) == [
        ("design.picture_added", {"kind": "logo"}),
        ("design.picture_removed", {"kind": "logo"}),
        ("design.picture_added", {"kind": "stamp"}),
    ]
    assert (await client.get(f"/pictures/{merchant.id.hex}/{digest}.png")).status_code == 404

"""Pictures that are saved on cards and taken away in the same moment; each with its guard, and without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.permissions import Principal
from app.modules.design import service
from app.modules.design.cards import pictures, removing_pages
from app.modules.design.cards.pictures import PICTURES_MAX, find_picture
from app.modules.design.models import DesignPicture
from app.modules.design.schemas import DesignForm
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView
from app.utils.id_generator import new_id
from tests.waiting import WAIT_SECONDS_MAX, somebody_waits

from .test_designer import BLANK, PLAIN, send, stored, upload
from .test_removing import digests


@dataclass
class Shop:
    """A shop with one stamp picture of its own, on no card yet."""

    client: httpx2.AsyncClient
    database: Database
    clock: FixedClock
    merchant: MadeMerchant
    store: StoreView
    digest: str

    @property
    def form(self) -> dict[str, str]:
        """Return the designer's form with the picture chosen."""
        return {**PLAIN, "icon": f"own-{self.merchant.id.hex}-{self.digest}"}

    @property
    def owner(self) -> Principal:
        """Return who saves."""
        return Principal("member", self.merchant.id, self.merchant.owner_id, role="owner")

    def scope(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a transaction of the shop, committed at its end."""
        return tenant_scope(self.database, self.merchant.id)

    def post(self, path: str) -> Awaitable[httpx2.Response]:
        """Send the form to one of the designer's addresses."""
        url = f"/dashboard/stores/{self.store.id}/design/{path}"
        return send(self.client, self.merchant, url, data=self.form)

    async def save(self, session: AsyncSession) -> None:
        """Save the design in a transaction that stays open."""
        form = DesignForm.model_validate(self.form)
        await service.save_design(session, self.owner, self.store, form=form, now=self.clock.now())

    async def has_picture(self) -> bool:
        """Tell whether the picture is still there."""
        return self.digest in await digests(self.database, self.merchant)

    async def shows_picture(self) -> bool:
        """Tell whether the saved design shows it."""
        return (await stored(self.database, self.merchant, self.store)).get("icon") == self.form["icon"]


@pytest.fixture
async def shop(client: httpx2.AsyncClient, database: Database, clock: FixedClock) -> Shop:
    """Return a shop with a picture."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    digest = await upload(client, merchant, store, "stamp")
    return Shop(client, database, clock, merchant, store, digest)


async def answered_or_waiting(database: Database, asked: asyncio.Future[Any]) -> None:
    """Return once a request is answered, or stands at a lock."""
    waits = asyncio.ensure_future(somebody_waits(database))
    try:
        await asyncio.wait({asked, waits}, return_when="FIRST_COMPLETED", timeout=WAIT_SECONDS_MAX)
    finally:
        waits.cancel()
    assert asked.done() or waits.done(), "the request neither ended nor waited"


async def held_by_nobody(
    session: AsyncSession, merchant_id: UUID, digest: str, **_locked: Any
) -> DesignPicture | None:
    """Find a picture as find_picture does, and leave it to everybody."""
    return await find_picture(session, merchant_id, digest)


async def remove_during_a_save(shop: Shop) -> int:
    """Ask for the removal while a design with the picture is written and not committed; return the answer's status."""
    async with shop.scope() as session:
        await shop.save(session)
        removal = asyncio.ensure_future(shop.post("pictures/stamp/remove"))
        await somebody_waits(shop.database)
    return (await removal).status_code


async def test_what_is_being_saved_is_not_removed(shop: Shop) -> None:
    """The removal waits for the save, and is refused: the card has its picture."""
    assert await remove_during_a_save(shop) == 422
    assert (await shop.shows_picture(), await shop.has_picture()) == (True, True)


async def test_control_a_remover_that_holds_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: who looks without holding the picture takes it off a card."""
    monkeypatch.setattr(removing_pages, "find_picture", held_by_nobody)

    assert await remove_during_a_save(shop) == 303
    assert (await shop.shows_picture(), await shop.has_picture()) == (True, False)


async def save_during_a_removal(shop: Shop) -> int:
    """Save the design while the picture is removed and that is not committed; return the answer's status."""
    async with shop.scope() as session:
        await removing_pages.remove_picture(
            session, shop.owner, shop.digest, kind="stamp", now=shop.clock.now()
        )
        saving = asyncio.ensure_future(shop.post("save"))
        await answered_or_waiting(shop.database, saving)
    return (await saving).status_code


async def test_what_is_being_removed_is_not_saved(shop: Shop) -> None:
    """The save waits for the removal, and is refused: the card keeps the picture it has."""
    assert await save_during_a_removal(shop) == 422
    assert (await shop.shows_picture(), await shop.has_picture()) == (False, False)


async def test_control_a_save_that_holds_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a design saved without holding its picture shows one that is gone."""
    monkeypatch.setattr(service, "find_picture", held_by_nobody)

    assert await save_during_a_removal(shop) == 303
    assert (await shop.shows_picture(), await shop.has_picture()) == (True, False)


async def upload_one_too_many_during_a_save(shop: Shop) -> str:
    """Fill the shelf, then upload while a design with the oldest picture is being saved; return the new one's hash."""
    async with shop.scope() as session:
        session.add_all(
            DesignPicture(merchant_id=shop.merchant.id, id=new_id(), digest=f"{number:032x}", **BLANK)
            for number in range(PICTURES_MAX - 1)
        )
    async with shop.scope() as session:
        await shop.save(session)
        new = asyncio.ensure_future(upload(shop.client, shop.merchant, shop.store, "logo"))
        await answered_or_waiting(shop.database, new)
    return await new


async def test_room_is_not_made_of_what_is_being_saved(shop: Shop) -> None:
    """The oldest picture is being put on cards: the one after it makes room, and nobody waits."""
    new = await upload_one_too_many_during_a_save(shop)

    left = await digests(shop.database, shop.merchant)
    assert (await shop.shows_picture(), await shop.has_picture()) == (True, True)
    assert (new in left, f"{0:032x}" in left, len(left)) == (True, False, PICTURES_MAX)


async def test_control_room_made_without_holding(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: who only looks whether a picture is used takes it off a card."""
    monkeypatch.setattr(pictures, "find_free_picture", held_by_nobody)

    await upload_one_too_many_during_a_save(shop)

    assert (await shop.shows_picture(), await shop.has_picture()) == (True, False)

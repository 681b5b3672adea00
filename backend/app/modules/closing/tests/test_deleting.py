"""A store goes for good only where nobody ever used it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from app.modules.accounts.factories import make_member
from app.modules.closing import deleting
from app.modules.stores.factories import make_store
from app.modules.stores.models import Program, Store

from .test_closing import Shop, shop

__all__ = ["shop"]
STORES, PROGRAMS = select(func.count()).select_from(Store), select(func.count()).select_from(Program)


async def close(shop: Shop, store: Any) -> None:  # noqa: F811
    """Close a store."""
    answer = await shop.client.patch(
        f"/stores/{store.id}", json={"closed": True}, headers=shop.merchant.headers
    )
    assert answer.status_code == 200, answer.text


async def delete(shop: Shop, store: Any, headers: dict[str, str] | None = None) -> httpx2.Response:  # noqa: F811
    """Press the button."""
    return await shop.send(f"/dashboard/closing/stores/{store.id}/delete", {}, headers=headers)


async def test_a_store_never_used_goes_with_its_programme(shop: Shop) -> None:  # noqa: F811
    """Closed and empty, it is offered for deletion; afterwards its poster leads nowhere."""
    made = await make_store(shop.process.database, shop.merchant)
    await close(shop, made)
    page = await shop.client.get(f"/dashboard/stores/{made.id}", headers=shop.merchant.headers)
    answer = await delete(shop, made)

    assert "Delete the store" in page.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/stores")
    assert (await shop.one(STORES), await shop.one(PROGRAMS)) == (1, 1)
    gone = await shop.client.get(f"/dashboard/stores/{made.id}", headers=shop.merchant.headers)
    assert gone.status_code == 404


async def test_a_shared_programme_stays(shop: Shop) -> None:  # noqa: F811
    """The other store still works by it, and its card collects."""
    made = await make_store(
        shop.process.database, shop.merchant, loyalty_type="", program_id=shop.card.program_id
    )
    await close(shop, made)
    assert (await delete(shop, made)).status_code == 303
    assert (await shop.one(STORES), await shop.one(PROGRAMS)) == (1, 1)
    assert (await shop.stamp()).status_code == 201


async def test_a_store_in_use_stays(shop: Shop) -> None:  # noqa: F811
    """With a card it is refused, open or closed, and no button offers it."""
    open_one = await delete(shop, shop.store)
    await close(shop, shop.store)
    page = await shop.client.get(f"/dashboard/stores/{shop.store.id}", headers=shop.merchant.headers)
    closed_one = await delete(shop, shop.store)

    assert [answer.headers["location"] for answer in (open_one, closed_one)] == [
        f"/dashboard/stores/{shop.store.id}"
    ] * 2
    assert "Delete the store" not in page.text
    assert await shop.one(STORES) == 1


async def test_control_without_the_look_the_database_itself_refuses(
    shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were use not looked at, the keys would still hold: the request fails and the store stays."""

    async def unused(*_parts: object) -> bool:
        return False

    await close(shop, shop.store)
    monkeypatch.setattr(deleting, "is_used", unused)
    assert (await delete(shop, shop.store)).status_code == 500
    assert await shop.one(STORES) == 1


async def test_a_manager_does_not_delete(shop: Shop) -> None:  # noqa: F811
    """Only the owner does."""
    made = await make_store(shop.process.database, shop.merchant)
    await close(shop, made)
    manager = await make_member(shop.process.database, shop.merchant.id, "manager")

    assert (await delete(shop, made, manager.headers)).status_code == 403
    assert await shop.one(STORES) == 2

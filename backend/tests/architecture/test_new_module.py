"""A module is added without touching another file: a folder, a line in INSTALLED, a migration.

The module in sample_module/ adds a line on the card, a dashboard page with its navigation and two rules on
earning. A merchant that has switched it on sees all of it over HTTP; its neighbour sees none of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import Settings
from app.db.base import Base
from app.db.session import tenant_scope, to_async_url
from app.installed import INSTALLED
from app.kernel.clock import FixedClock
from app.kernel.i18n import install_catalogues
from app.kernel.registry import ManifestError, Registry
from app.main import create_app
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.models import Merchant
from app.modules.merchants.public import get_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import Process, build_process
from app.utils.security import Keyring
from tests.architecture.sample_module.migration import MIGRATION
from tests.architecture.sample_module.models import FridayNote
from tests.architecture.sample_module.module import MODULE
from tools.lint.sources import read_python_files

# Other tests of this worker look at every table there is; this one is there while the module is.
Base.metadata.remove(FridayNote.__table__)  # type: ignore[arg-type]

FRIDAY_MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
THURSDAY_MORNING = datetime(2026, 11, 19, 9, 0, tzinfo=UTC)
FRIDAY_NIGHT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
OPENING = "2026-11-20T04:00:00Z"
NOTE = "Cake is free with every third coffee"


async def run_as_owner(admin_url: str, *statements: str) -> None:
    """Run statements with the owner's login, as a migration would."""
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement.replace(":", "\\:")))
    await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def extended(
    settings: Settings, clock: FixedClock, process: Process, admin_url: str
) -> AsyncIterator[Process]:
    """Return a process with the module installed; afterwards this worker is as it was."""
    await run_as_owner(admin_url, *MIGRATION)
    own = build_process(settings, modules=(*INSTALLED, MODULE), clock=clock, keyring=Keyring.for_tests())
    try:
        yield own
    finally:
        await own.aclose()
        # Hooks and catalogues belong to the process: hand them back to the usual modules.
        process.registry.bind()
        install_catalogues(process.registry.locale_folders())
        await run_as_owner(admin_url, "DROP TABLE friday_note")


@pytest.fixture(scope="module")
def extended_app(extended: Process, settings: Settings) -> FastAPI:
    """Return the web application with the module."""
    return create_app(settings, process=extended)


class Shop:
    """A merchant with a hybrid store, a cashier and the owner's browser."""

    def __init__(self, process: Process, app: FastAPI, *, is_on: bool) -> None:
        self.database, self.app, self.is_on = process.database, app, is_on
        transport = httpx2.ASGITransport(app=app)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://testserver")
        self.browser = httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    async def open(self) -> Shop:
        """Make the merchant, and switch the module on where it is wanted."""
        self.merchant = await make_merchant(self.database)
        self.store = await make_store(self.database, self.merchant, "hybrid", cooldown_minutes=0)
        _, self.pin = await make_staff(self.database, self.store)
        if self.is_on:
            async with tenant_scope(self.database, self.merchant.id) as session:
                switch = update(Merchant).where(Merchant.id == self.merchant.id)
                await session.execute(switch.values(modules_on=[MODULE.name]))
        for name, value in self.merchant.cookies.items():
            self.browser.cookies.set(name, value)
        return self

    async def buy(self, card: Any) -> httpx2.Response:
        """Enter a purchase of 10.00."""
        body = {"pass_id": str(card.id), "staff_pin": self.pin, "amount": "10.00"}
        return await self.client.post(f"/points/{self.store.id}", json=body)

    async def switch(self, is_on: str, name: str = MODULE.name) -> httpx2.Response:
        """Throw the module's switch on the page of features."""
        page = await self.browser.get("/dashboard/features")
        token = re.search(r'name="csrf"[^>]*value="([^"]+)"', page.text)
        assert token is not None
        form = {"is_on": is_on, "csrf": token[1]}
        return await self.browser.post(
            f"/dashboard/features/{name}", data=form, headers={"origin": "http://testserver"}
        )

    async def write_note(self) -> httpx2.Response:
        """Fill in the module's page as a person would, without JavaScript."""
        page = await self.browser.get("/dashboard/stores")
        token = re.search(r'name="csrf"[^>]*value="([^"]+)"', page.text)
        form = {"note": NOTE, "csrf": token[1] if token else ""}
        return await self.browser.post(
            "/dashboard/fridays", data=form, headers={"origin": "http://testserver"}
        )

    async def card_page(self, card: Any) -> str:
        """Return the card's page as its holder sees it."""
        response = await self.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
        assert response.status_code == 200
        return response.text


@pytest_asyncio.fixture(loop_scope="session")
async def with_module(extended: Process, extended_app: FastAPI) -> Shop:
    """Return a shop that has switched the module on."""
    return await Shop(extended, extended_app, is_on=True).open()


@pytest_asyncio.fixture(loop_scope="session")
async def without_module(extended: Process, extended_app: FastAPI) -> Shop:
    """Return a shop in the same installation that has not."""
    return await Shop(extended, extended_app, is_on=False).open()


async def test_it_changes_what_is_earned(with_module: Shop, without_module: Shop, clock: FixedClock) -> None:
    """Five points more on a Friday and none more on a Thursday; the neighbour never gets more."""
    mine = await make_card(with_module.database, with_module.store)
    other = await make_card(without_module.database, without_module.store)

    clock.at = THURSDAY_MORNING
    assert (await with_module.buy(mine)).json()["points_added"] == 10
    clock.at = FRIDAY_MORNING
    assert (await with_module.buy(mine)).json()["points_added"] == 15
    assert (await without_module.buy(other)).json()["points_added"] == 10


async def test_it_refuses_what_it_guards(with_module: Shop, without_module: Shop, clock: FixedClock) -> None:
    """At night nothing is given, with the reason and the time; the neighbour is open."""
    mine = await make_card(with_module.database, with_module.store)
    other = await make_card(without_module.database, without_module.store)
    clock.at = FRIDAY_NIGHT

    refused = await with_module.buy(mine)

    assert refused.status_code == 409
    assert refused.json()["code"] == "too_soon"
    assert datetime.fromisoformat(refused.json()["retry_at"]) == datetime.fromisoformat(OPENING)
    async with tenant_scope(with_module.database, with_module.merchant.id) as session:
        for table in ("visit", "points_event", "stamp_event"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    assert (await without_module.buy(other)).status_code == 201


async def test_it_adds_a_page_with_navigation(with_module: Shop, without_module: Shop) -> None:
    """The page opens, is found in the navigation and takes its form; for the neighbour there is neither."""
    home = await with_module.browser.get("/dashboard/stores")
    assert home.status_code == 200
    assert 'href="/dashboard/fridays"' in home.text
    saved = await with_module.write_note()
    assert saved.status_code == 303, saved.text
    page = await with_module.browser.get("/dashboard/fridays")
    assert page.status_code == 200
    assert NOTE in page.text
    assert 'aria-current="page"' in page.text

    other_home = await without_module.browser.get("/dashboard/stores")
    assert other_home.status_code == 200
    assert "/dashboard/fridays" not in other_home.text
    assert (await without_module.browser.get("/dashboard/fridays")).status_code == 403
    assert (await without_module.write_note()).status_code == 403


async def test_it_adds_a_line_to_the_card(with_module: Shop, without_module: Shop) -> None:
    """The holder reads the sentence on the card; the neighbour's card has none."""
    mine = await make_card(with_module.database, with_module.store)
    other = await make_card(without_module.database, without_module.store)
    await with_module.write_note()

    assert NOTE in await with_module.card_page(mine)
    assert NOTE not in await without_module.card_page(other)


async def test_the_neighbour_has_it_after_switching_it_on(without_module: Shop, clock: FixedClock) -> None:
    """The control: what hid it was the switch and nothing else."""
    card = await make_card(without_module.database, without_module.store)
    async with tenant_scope(without_module.database, without_module.merchant.id) as session:
        assert MODULE.name not in (await get_merchant(session, without_module.merchant.id)).modules_on
    page = await without_module.browser.get("/dashboard/features")
    assert "A word on every card" in page.text

    assert (await without_module.switch("1")).status_code == 303
    assert (await without_module.switch("1")).status_code == 303  # said twice, done once

    assert (await without_module.buy(card)).json()["points_added"] == 15
    assert (await without_module.browser.get("/dashboard/fridays")).status_code == 200
    assert (await without_module.switch("0")).status_code == 303
    assert (await without_module.buy(card)).json()["points_added"] == 10
    assert (await without_module.browser.get("/dashboard/fridays")).status_code == 403
    async with tenant_scope(without_module.database, without_module.merchant.id) as session:
        actions = await session.scalars(
            text("SELECT action FROM audit_entry WHERE action LIKE 'feature.%' ORDER BY id")
        )
        assert list(actions) == ["feature.switched_on", "feature.switched_off"]


async def test_an_unknown_switch_is_not_thrown(without_module: Shop) -> None:
    """A module that has no switch, or is not installed, is not found, and nothing is switched."""
    assert (await without_module.switch("0", "stamps")).status_code == 404
    assert (await without_module.switch("1", "nothing")).status_code == 404
    async with tenant_scope(without_module.database, without_module.merchant.id) as session:
        modules_on = (await get_merchant(session, without_module.merchant.id)).modules_on
    assert not {"stamps", "nothing"} & modules_on


def test_no_other_file_knows_it() -> None:
    """Nothing in the product speaks of the module: it was added and nothing was changed for it."""
    traces = ("friday_note", "sample_module", "fridays.edit", FridayNote.__name__)
    product = [file for file in read_python_files() if file.path.startswith("app/")]

    assert len(product) > 200
    assert [file.path for file in product if any(trace in file.text for trace in traces)] == []


def test_a_manifest_out_of_order_is_refused() -> None:
    """The control of the one line: before what it needs, the module is refused with a sentence."""
    with pytest.raises(ManifestError, match="fridays needs"):
        Registry((MODULE, *INSTALLED))

"""Writes the demo shops: a transaction for each merchant, then what `demo.json` tells about them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, time
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.base import Base
from app.db.lookup import find_lookup
from app.db.session import set_tenant
from app.demo.book import Place, Rows, play_cards
from app.demo.bulk import insert_rows
from app.demo.making import customer_rows, draw_pins, found_by, make_business, make_place, owner_password
from app.demo.shops import BUSINESSES, Business
from app.demo.year import ZONE, BusinessPlan, first_monday, plan_business
from app.kernel.points import DEMO_DATA, DemoShop
from app.modules.accounts.keys.service import write_key
from app.modules.merchants.service import EMAIL_LOOKUP, email_key
from app.process import Process, build_process
from app.utils.security import Keyring

Progress = Callable[[int, int, str], object]
# In the order of their foreign keys.
TABLES = (
    ("pass_object", "cards"),
    ("visit", "visits"),
    ("stamp_event", "stamps"),
    ("points_event", "points"),
    ("points_lot", "lots"),
    ("redemption", "redemptions"),
)


async def load_demo(
    settings: Settings, *, seed: int, progress: Progress, now: datetime | None = None
) -> dict[str, Any]:
    """Make the demo shops, or find those made before; return {"merchants": […]} for demo.json.

    now: where the year of visits ends; the same seed and end make the same shops.
    """
    process = build_process(settings)
    try:
        await process.open()
        return await load_into(process, seed=seed, progress=progress, now=now or process.clock.now())
    finally:
        await process.aclose()


async def load_into(process: Process, *, seed: int, progress: Progress, now: datetime) -> dict[str, Any]:
    """Make or find the demo shops in an opened process."""
    steps = len(BUSINESSES) * (len(TABLES) + 2)
    done = 0

    def step(text: str) -> None:
        nonlocal done
        done += 1
        progress(done, steps, text)

    merchants = []
    for business in BUSINESSES:
        async with process.database.sessions() as session, session.begin():
            merchant_id = await _find_business(session, process, business)
            if merchant_id is None:
                merchant_id = await _load_business(session, business, seed=seed, now=now, step=step)
            merchants.append(await _describe(session, process, business, merchant_id=merchant_id, seed=seed))
    progress(steps, steps, "Made the demo shops")
    return {"merchants": merchants}


async def _find_business(session: AsyncSession, process: Process, business: Business) -> UUID | None:
    key = email_key(process.resources.get(Keyring), business.email)
    found = await find_lookup(session, EMAIL_LOOKUP, key)
    if found is None:
        return None
    await set_tenant(session, found[0])
    return found[0]


async def _load_business(
    session: AsyncSession, business: Business, *, seed: int, now: datetime, step: Callable[[str], None]
) -> UUID:
    opened = datetime.combine(first_monday(now), time(5), ZONE).astimezone(UTC)
    owner = await make_business(session, business, seed=seed, opened=opened)
    plan = await asyncio.to_thread(plan_business, business, seed=seed, now=now)
    make = partial(make_place, session, owner, seed=seed, opened=opened, now=now)
    places = [await make(shop) for shop in business.shops]
    step(f"{business.name}: stores and staff")
    customers, consents = customer_rows(session, owner.merchant_id, plan, seed=seed)
    await insert_rows(session, "customer", customers)
    await insert_rows(session, "customer_search", found_by(customers))
    await insert_rows(session, "consent_record", consents)
    step(f"{business.name}: {len(customers)} customers")
    rows, cards = await asyncio.to_thread(_play, places, plan, [row["id"] for row in customers], seed)
    for table, name in TABLES:
        count = await insert_rows(session, table, getattr(rows, name))
        step(f"{business.name}: {count} {name}")
    shop_data = DemoShop(
        session=session,
        merchant_id=owner.merchant_id,
        stores={place.shop.name: place.store_id for place in places},
        card_ids=tuple(cards),
        random=random.Random(f"{seed}|{business.name}|modules"),
        now=now,
    )
    for _name, add in DEMO_DATA.items():
        await add(shop_data)
    return owner.merchant_id


def _play(
    places: list[Place], plan: BusinessPlan, customers: list[UUID], seed: int
) -> tuple[Rows, list[UUID]]:
    rows = Rows()
    cards: list[UUID] = []
    for place, plans in zip(places, plan.cards, strict=True):
        cards += play_cards(place, plans, customers=customers, seed=seed, rows=rows)
    return rows, cards


async def _describe(
    session: AsyncSession, process: Process, business: Business, *, merchant_id: UUID, seed: int
) -> dict[str, Any]:
    """Say of a merchant what the demo prints. PINs and password are the seed's."""
    stores = await _rows(session, "store", merchant_id)
    keys = await _rows(session, "api_key", merchant_id)
    base = process.settings.public_url.rstrip("/")
    keyring = process.resources.get(Keyring)
    return {
        "name": business.name,
        "email": business.email,
        "password": owner_password(business, seed=seed),
        "api_key": write_key(keyring, merchant_id, min(row["id"] for row in keys)) if keys else None,
        "stores": [
            {
                "id": str(row["id"]),
                "name": shop.name,
                "loyalty_type": shop.loyalty_type,
                "join_url": f"{base}/join/{row['id']}",
                "staff": [
                    {"name": person.name, "role": person.role, "pin": pin}
                    for person, pin in zip(shop.team, draw_pins(shop, seed=seed), strict=True)
                ],
            }
            for shop in business.shops
            for row in stores
            if row["name"] == shop.name
        ],
    }


async def _rows(session: AsyncSession, name: str, merchant_id: UUID) -> list[dict[str, Any]]:
    table = Base.metadata.tables[name]
    found = await session.execute(select(table).where(table.c.merchant_id == merchant_id))
    return [dict(row) for row in found.mappings()]

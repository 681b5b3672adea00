"""The small parts of a demo merchant: the business, its stores, teams, rewards, devices and people."""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Base
from app.demo.book import Place
from app.demo.bulk import insert_rows
from app.demo.shops import Business, Shop
from app.demo.year import BusinessPlan
from app.kernel.adapters import resources_of
from app.kernel.permissions import Principal
from app.modules.accounts.keys.service import create_api_key, list_scopes
from app.modules.accounts.passwords import in_hash_thread
from app.modules.customers.public import CONSENT_TEXT_VERSION, consent_text
from app.modules.customers.rules import CONSENT_PURPOSE, sort_name
from app.modules.customers.search import search_rows
from app.modules.merchants.service import NewMerchant, create_merchant
from app.modules.rewards.public import RewardView
from app.modules.staff.rules import is_guessable
from app.modules.stores.service import NewStore, create_store
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_password, pin_verifier

PIN_DIGITS = 6
PASSWORD_WORDS = (
    "roude",
    "leiw",
    "kachkeis",
    "bouneschlupp",
    "kleeschen",
    "uelzecht",
    "gromper",
    "schueberfouer",
)


def owner_password(business: Business, *, seed: int) -> str:
    """Return the owner's demo password: words and a number, from the seed."""
    rng = random.Random(f"{seed}|{business.name}|password")
    return "-".join([*rng.sample(PASSWORD_WORDS, 2), str(rng.randrange(1000, 10_000))])


def draw_pins(shop: Shop, *, seed: int) -> list[str]:
    """Draw a PIN for everyone of the team, all different, none of those people try first."""
    rng = random.Random(f"{seed}|{shop.name}|pins")
    pins: list[str] = []
    while len(pins) < len(shop.team):
        pin = f"{rng.randrange(10**PIN_DIGITS):0{PIN_DIGITS}}"
        if pin not in pins and not is_guessable(pin):
            pins.append(pin)
    return pins


async def make_business(
    session: AsyncSession, business: Business, *, seed: int, opened: datetime
) -> Principal:
    """Make the merchant with its sign-in and an API key; bind the session to it and return the owner."""
    hashed = await in_hash_thread(hash_password, owner_password(business, seed=seed))
    new = NewMerchant(name=business.name, email=business.email, password_hash=hashed)
    merchant = await create_merchant(session, new, now=opened)
    assert merchant is not None, "the caller has looked for it"
    table = Base.metadata.tables["merchant"]
    await session.execute(
        update(table).where(table.c.id == merchant.id).values(branding={"palette": business.palette})
    )
    scopes = frozenset(permission.name for permission in list_scopes(session))
    owner = Principal("member", merchant.id, merchant.owner_id, role="owner", scopes=scopes)
    await create_api_key(session, owner, name="Demo key", scopes=scopes, now=opened)
    return owner


async def make_place(
    session: AsyncSession, owner: Principal, shop: Shop, *, seed: int, opened: datetime, now: datetime
) -> Place:
    """Make a store with its programme, rewards, team and a paired device."""
    new = NewStore(
        name=shop.name,
        loyalty_type=shop.loyalty_type,
        address=shop.address,
        latitude=shop.place[0],
        longitude=shop.place[1],
        opening_hours={day: [list(span) for span in spans] for day, spans in shop.hours.items()},
    )
    store = await create_store(session, owner, new, now=opened)
    rewards = await _make_rewards(session, store.program.id, owner, shop, opened=opened)
    staff = await _make_team(session, store.id, owner, shop, seed=seed, opened=opened)
    device_id = new_id(at=opened)
    device = {
        "merchant_id": owner.merchant_id,
        "id": device_id,
        "store_id": store.id,
        "name": shop.till,
        # Nobody holds its cookie: it stands for a device in the shop.
        "secret_hash": secrets.token_bytes(32),
        "created_at": opened,
        "paired_at": opened,
        "last_seen_at": now,
    }
    await insert_rows(session, "staff_device", [device])
    return Place(shop, owner.merchant_id, store.id, store.program.id, device_id, rewards, tuple(staff))


def _design_of(shop: Shop) -> dict[str, Any]:
    """Return how the shop's cards look and what they say; the palette is the business's."""
    return {"icon": shop.icon} | ({"texts": shop.words} if shop.words else {})


async def _make_rewards(
    session: AsyncSession, program_id: UUID, owner: Principal, shop: Shop, *, opened: datetime
) -> tuple[RewardView, ...]:
    """Put the shop's own rewards in the place of the default ones."""
    merchant_id = owner.merchant_id
    table, program = Base.metadata.tables["reward"], Base.metadata.tables["program"]
    await session.execute(
        delete(table).where(table.c.merchant_id == merchant_id, table.c.program_id == program_id)
    )
    rewards = [(new_id(at=opened), reward) for reward in shop.rewards]
    rows = [
        {
            "merchant_id": merchant_id,
            "id": reward_id,
            "program_id": program_id,
            "kind": reward.kind,
            "reward_kind": "free_item",
            "threshold": reward.threshold,
            "title": reward.title,
            "text": reward.text,
            "texts": {
                language: {"title": title, "text": text} for language, (title, text) in reward.others.items()
            },
            "picture": reward.picture,
            "active": True,
            "created_at": opened,
        }
        for reward_id, reward in rewards
    ]
    await insert_rows(session, "reward", rows)
    await session.execute(
        update(program)
        .where(program.c.merchant_id == merchant_id, program.c.id == program_id)
        .values(stamps_needed=shop.stamps_needed, design=_design_of(shop))
    )
    return tuple(
        RewardView(reward_id, reward.kind, reward.threshold, reward.title) for reward_id, reward in rewards
    )


async def _make_team(
    session: AsyncSession, store_id: UUID, owner: Principal, shop: Shop, *, seed: int, opened: datetime
) -> list[UUID]:
    """Add the team with its PINs; who works in another store of the business already keeps the same row."""
    keyring = resources_of(session).get(Keyring)
    store, member = Base.metadata.tables["store"], Base.metadata.tables["staff_member"]
    found_salt = await session.execute(
        select(store.c.pin_salt).where(store.c.merchant_id == owner.merchant_id, store.c.id == store_id)
    )
    salt: bytes = found_salt.scalar_one()
    version = keyring.newest("pepper")
    work = [
        in_hash_thread(partial(pin_verifier, keyring, pin, salt=salt, pepper_version=version))
        for pin in draw_pins(shop, seed=seed)
    ]
    verifiers = await asyncio.gather(*work)
    found = await session.execute(
        select(member.c.name, member.c.id).where(member.c.merchant_id == owner.merchant_id)
    )
    known: dict[str, UUID] = {row.name: row.id for row in found}
    ids = [known.get(person.name) or new_id(at=opened) for person in shop.team]
    own = {"merchant_id": owner.merchant_id, "created_at": opened}
    members = [
        own | {"id": staff_id, "name": person.name, "role": person.role}
        for staff_id, person in zip(ids, shop.team, strict=True)
        if person.name not in known
    ]
    pins = [
        own | {"store_id": store_id, "pin_hash": verifier, "pepper_version": version, "staff_id": staff_id}
        for staff_id, verifier in zip(ids, verifiers, strict=True)
    ]
    await insert_rows(session, "staff_member", members)
    await insert_rows(session, "staff_pin", pins)
    return ids


def found_by(customers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows by which customers are found."""
    return [
        row
        for customer in customers
        for row in search_rows(
            customer["merchant_id"],
            customer["id"],
            name=customer["name"],
            email=customer["email"],
            phone=customer["phone"],
        )
    ]


def customer_rows(
    session: AsyncSession, merchant_id: UUID, plan: BusinessPlan, *, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the customers, in the order of the plan, and of their consents."""
    joined: dict[int, datetime] = {}
    for card in (card for cards in plan.cards for card in cards):
        joined[card.customer] = min(card.joined_at, joined.get(card.customer, card.joined_at))
    keyring = resources_of(session).get(Keyring)
    texts = {locale: consent_text(locale) for locale in ("en", "fr", "de", "lb")}
    customers: list[dict[str, Any]] = []
    consents: list[dict[str, Any]] = []
    for number, customer in enumerate(plan.customers):
        at = joined[number]
        day, month, year = customer.birthday or (None, None, None)
        row = {
            "merchant_id": merchant_id,
            "id": new_id(at=at),
            "name": customer.name,
            "email": customer.email,
            "phone": customer.phone,
            "sort_name": sort_name(customer.name),
            "email_consent": customer.has_consented,
            "email_consent_at": at if customer.has_consented else None,
            "email_consent_source": "join_page" if customer.has_consented else None,
            "consent_confirmed_at": at if customer.has_consented and customer.is_verified else None,
            "email_verified_at": at if customer.is_verified else None,
            "locale": customer.locale,
            "birthday_day": day,
            "birthday_month": month,
            "birthday_year": year,
            "created_at": at,
        }
        customers.append(row)
        if customer.has_consented and customer.email:
            given = {
                "merchant_id": merchant_id,
                "id": new_id(at=at),
                "customer_id": row["id"],
                "address_mac": keyring.mac("lookup", "consent", customer.email.lower()),
                "purpose": CONSENT_PURPOSE,
                "given": True,
                "text_version": CONSENT_TEXT_VERSION,
                "text_shown": texts[customer.locale],
                "locale": customer.locale,
                "channel": "email",
                "source": "join_page",
                "confirms": None,
                "evidence": "",
                "at": at,
            }
            consents.append(given)
            if customer.is_verified:
                confirmed = {"id": new_id(at=at), "source": "mail_link", "confirms": given["id"]}
                consents.append(given | confirmed | {"evidence": "demo"})
    return customers, consents

"""Views and accounts for the tests of Google Wallet."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import googleapiclient
from jsonschema import Draft7Validator

from app.modules.wallets.google_wallet.accounts import GoogleAccount, make_key_file, read_key
from app.modules.wallets.google_wallet.bodies import BodyMaker
from app.modules.wallets.rules import PALETTES
from app.modules.wallets.view import CardLocation, CardView, NextReward
from app.utils.security import Keyring

ISSUER = "3388000000022141777"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MERCHANT, PROGRAM, PASS = UUID(int=11), UUID(int=12), UUID(int=13)

VIEW = CardView(
    pass_id=PASS,
    merchant_id=MERCHANT,
    program_id=PROGRAM,
    locale="en",
    merchant_name="CoffeeLux",
    program_name="CoffeeLux Club",
    store_name="CoffeeLux Gare",
    store_names=("CoffeeLux Gare",),
    locations=(CardLocation("CoffeeLux Gare", 49.6, 6.13),),
    time_zone="Europe/Luxembourg",
    loyalty_type="stamps",
    colors=PALETTES["forest"],
    icon="coffee",
    logo_url=None,
    design_version=1,
    stamp_count=7,
    stamps_needed=10,
    points_balance=0,
    reward_unlocked=False,
    rewards=(),
    rewards_waiting=0,
    next_reward=NextReward("Free coffee", 10, 3, "stamps", "3 stamps to go"),
    customer_name="Anna Müller",
    card_number="7K3QF0M2XW9P",
    card_number_printed="7K3Q F0M2 XW9P",
    barcode_text="7K3QF0M2XW9P",
    status="active",
    revision=3,
    update_tag=1,
    changed_at=NOW,
    last_visit_at=NOW,
    fields=(),
    change_message="You now have 7 of 10 stamps",
)


@cache
def key_file() -> dict[str, str]:
    """Return one service account's key for the run."""
    return make_key_file("wallet@shop-1234.iam.gserviceaccount.com", token_uri="http://127.0.0.1:9/token")


def make_account(**over: Any) -> GoogleAccount:
    """Return an account of the tests."""
    known: dict[str, Any] = {
        "issuer_id": ISSUER,
        "api_url": "http://127.0.0.1:9/walletobjects/v1",
        "source": "operator",
        **read_key(json.dumps(key_file())),
    }
    return GoogleAccount(**(known | over))


def make_bodies(**over: Any) -> BodyMaker:
    """Return a maker of bodies."""
    return BodyMaker(make_account(**over), "https://cards.example.com", Keyring.for_tests())


def make_view(**over: Any) -> CardView:
    """Return a view of a card."""
    return replace(VIEW, **over)


@lru_cache
def discovery() -> dict[str, Any]:
    """Return Google's own description of the API, from its Python package."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    found: dict[str, Any] = json.loads((folder / "walletobjects.v1.json").read_text())
    return found


@lru_cache
def validator(name: str) -> Draft7Validator:
    """Return what checks a body of this kind: known fields only, right types, known words."""
    schemas = {key: _strict(value) for key, value in discovery()["schemas"].items()}
    return Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": schemas})


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            made["$ref"] = f"#/definitions/{value}"
        elif key == "properties":
            made["properties"] = {name: _strict(part) for name, part in value.items()}
        elif key in {"items", "additionalProperties"}:
            made[key] = _strict(value)
        elif key in {"type", "enum"}:
            made[key] = value
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def problems_of(name: str, body: dict[str, Any]) -> list[str]:
    """Return what Google's schema finds wrong with a body."""
    return [f"{list(error.path)}: {error.message}" for error in validator(name).iter_errors(body)]

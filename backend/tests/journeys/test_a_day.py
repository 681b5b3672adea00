"""A shop's day over HTTP only, from signing up to the last redemption; every number exactly."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from tests.live import LiveServer

PASSWORD = "plum-orchard-tandem-42"
MINUTES_AHEAD = 11


class Day:
    """The merchant's client, the till's, and a clock that only goes forward."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.owner = server.client()
        self.till = server.client()
        self.minutes = 0

    def post(
        self, path: str, body: dict[str, Any], *, status: int = 201, key: str | None = None
    ) -> dict[str, Any]:
        """Post from the till and return the answer; the status is as expected."""
        answer = self.till.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def manage(self, method: str, path: str, body: dict[str, Any], *, status: int = 201) -> dict[str, Any]:
        """Ask as the signed-in owner."""
        answer = self.owner.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def wait_for_cooldown(self, refused: dict[str, Any]) -> None:
        """Move the clock over the cooldown, and ask until the server has read it."""
        self.minutes += MINUTES_AHEAD
        self.server.move_clock(self.minutes * 60)
        assert refused["code"] == "too_soon"


def facts(state: dict[str, Any]) -> tuple[int, int, bool]:
    """Return stamps, points and whether something can be redeemed."""
    return state["stamp_count"], state["points_balance"], state["reward_unlocked"]


def stamp_after_cooldown(day: Day, store_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Give the next stamp: too soon now, and granted once the clock has moved on."""
    refused = day.post(f"/stamp/{store_id}", body, status=409)
    day.wait_for_cooldown(refused)
    for _ in range(100):
        answer = day.till.post(f"/stamp/{store_id}", json=body)
        if answer.status_code == 201:
            return dict(answer.json())
        assert answer.json()["code"] == "too_soon"
    raise AssertionError("the clock file was not read")


def sign_up(day: Day, email: str) -> None:
    """Sign up, follow the mail's link, sign out with it and in again by hand."""
    wish = {"name": "CoffeeLux", "email": email, "password": PASSWORD}
    assert day.manage("POST", "/merchants", wish, status=202) == {"status": "look_in_your_mailbox"}
    assert day.owner.post("/sessions", json={"email": email, "password": PASSWORD}).status_code == 401
    token = day.server.mail_link(email).rpartition("/")[2]
    opened = day.manage("POST", "/merchants/confirm", {"token": token})
    assert day.owner.post("/merchants/confirm", json={"token": token}).json()["code"] == "link_unusable"
    day.owner.cookies.clear()
    assert day.owner.get("/stores").status_code == 401
    again = day.manage("POST", "/sessions", {"email": email, "password": PASSWORD})
    assert again["merchant_id"] == opened["merchant_id"]
    assert again["session_id"] != opened["session_id"]


def join(day: Day, store_id: str, **details: Any) -> dict[str, Any]:
    """Take a card as an anonymous visitor."""
    with day.server.client() as visitor:
        answer = visitor.post("/passes/create", json={"store_id": store_id} | details)
        assert answer.status_code == 201, answer.text
        made = dict(answer.json())
        assert set(made) == {"pass_id", "card_number", "card_url", "add_to_wallet_url", "apple_wallet_url"}
        assert visitor.get(made["card_url"]).status_code == 200
        assert visitor.get(f"/passes/{made['pass_id']}").json()["stamp_count"] == 0
        return made


def test_a_day(server: LiveServer) -> None:
    """From sign-up to the last undo: three cards, a full one, thresholds, a programme of two stores."""
    day = Day(server)
    email = f"day-{uuid4().hex[:12]}@example.com"
    sign_up(day, email)
    gare = day.manage("POST", "/stores", {"name": "CoffeeLux Gare", "loyalty_type": "stamps"})
    assert gare["join_url"] == f"{server.base_url}/join/{gare['id']}"
    assert gare["stamp_url"] == f"{server.base_url}/stamp/{gare['id']}"
    changed = day.manage("PATCH", f"/stores/{gare['id']}/programme", {"stamps_needed": 4}, status=200)
    assert changed["stamps_needed"] == 4
    marie = day.manage("POST", f"/stores/{gare['id']}/staff", {"name": "Marie", "role": "cashier"})
    assert len(marie["pin"]) == 6
    cards = [
        join(day, gare["id"], name="Ana Silva"),
        join(day, gare["id"]),
        join(day, gare["id"], name="Tom", email=f"tom-{uuid4().hex[:8]}@example.com", email_consent=True),
    ]
    assert len({card["pass_id"] for card in cards}) == 3
    play_stamps(day, gare["id"], cards, pin=marie["pin"])
    play_second_store(day, gare, cards[0], pin=marie["pin"])
    play_points(day)


def play_stamps(day: Day, store_id: str, cards: list[dict[str, Any]], *, pin: str) -> None:
    """Fill a card of four, redeem, press twice, take it back and redeem again."""
    ana, guest, tom = cards
    body = {"pass_id": ana["pass_id"], "staff_pin": pin}
    first = day.post(f"/stamp/{store_id}", body, key="till-1")
    assert facts(first) == (1, 0, False)
    assert first["given_by"] == "Marie"
    assert (first["stamps_needed"], first["next_reward"]["missing"]) == (4, 3)
    possible = datetime.fromisoformat(first["next_possible_at"])
    assert possible - datetime.now(possible.tzinfo) <= timedelta(minutes=10)
    # The same key again is the same stamp; the card number is as good as the pass id.
    assert day.post(f"/stamp/{store_id}", body, key="till-1") == first
    for expected in (2, 3):
        state = stamp_after_cooldown(day, store_id, body | {"pass_id": ana["card_number"]})
        assert facts(state) == (expected, 0, False)
    full = stamp_after_cooldown(day, store_id, body | {"quantity": 3})
    assert facts(full) == (4, 0, True)
    assert (full["stamps_added"], full["stamps_left_over"]) == (1, 2)
    assert day.post(f"/stamp/{store_id}", body, status=409)["code"] == "card_full"
    reward = full["rewards"][0]
    assert (reward["threshold"], reward["ready"], reward["waiting"], reward["missing"]) == (4, True, 1, 0)
    redeem(day, store_id, body | {"reward_id": reward["id"]})
    # The others were not touched by any of it.
    with day.server.client() as visitor:
        assert visitor.get(guest["card_url"]).status_code == 200
        assert facts(visitor.get(f"/passes/{guest['pass_id']}").json()) == (0, 0, False)
    assert facts(day.post(f"/stamp/{store_id}", {"pass_id": tom["pass_id"], "staff_pin": pin})) == (
        1,
        0,
        False,
    )


def redeem(day: Day, store_id: str, body: dict[str, Any]) -> None:
    """Redeem once, be refused twice, undo, and redeem again."""
    given = day.post(f"/rewards/{store_id}/redeem", body, key="redeem-1")
    assert facts(given) == (0, 0, False)
    assert (given["cost"], given["given_by"], given["reward"]["threshold"]) == (4, "Marie", 4)
    assert day.post(f"/rewards/{store_id}/redeem", body, key="redeem-1") == given
    assert day.post(f"/rewards/{store_id}/redeem", body, status=409)["code"] == "already_redeemed"
    undo = {"store_id": store_id, "staff_pin": body["staff_pin"], "reason": "Wrong button"}
    undone = day.post(f"/redemptions/{given['redemption_id']}/void", undo)
    assert facts(undone) == (4, 0, True)
    again = day.post(f"/redemptions/{given['redemption_id']}/void", undo, status=409)
    assert again["code"] == "already_voided"
    second = day.post(f"/rewards/{store_id}/redeem", body)
    assert facts(second) == (0, 0, False)
    assert second["redemption_id"] != given["redemption_id"]


def play_second_store(day: Day, gare: dict[str, Any], card: dict[str, Any], *, pin: str) -> None:
    """A second store of the same programme stamps the same card, with its own staff."""
    wish = {"name": "CoffeeLux Belval", "loyalty_type": "stamps", "program_id": gare["program_id"]}
    belval = day.manage("POST", "/stores", wish)
    luc = day.manage("POST", f"/stores/{belval['id']}/staff", {"name": "Luc", "role": "cashier"})
    body = {"pass_id": card["pass_id"], "staff_pin": luc["pin"]}
    wrong = day.post(f"/stamp/{belval['id']}", body | {"staff_pin": pin}, status=403)
    assert wrong["code"] == "pin_wrong"
    state = stamp_after_cooldown(day, belval["id"], body)
    assert facts(state) == (1, 0, False)
    assert state["given_by"] == "Luc"
    # Back at the first store it is the same card, and the same cooldown.
    assert day.post(f"/stamp/{gare['id']}", body | {"staff_pin": pin}, status=409)["code"] == "too_soon"
    undo = {"store_id": belval["id"], "staff_pin": luc["pin"], "reason": "Another customer"}
    assert facts(day.post(f"/visits/{state['visit_id']}/void", undo)) == (0, 0, False)
    assert facts(day.post(f"/stamp/{gare['id']}", body | {"staff_pin": pin})) == (1, 0, False)


def play_points(day: Day) -> None:
    """€59.90 twice reaches the first threshold; the reward takes its cost and leaves the rest."""
    store = day.manage("POST", "/stores", {"name": "Mode Avenue", "loyalty_type": "points"})
    for threshold in (250, 500):
        reward = {"kind": "points", "threshold": threshold, "title": f"€{threshold // 10} off"}
        day.manage("POST", f"/stores/{store['id']}/rewards", reward)
    nadine = day.manage("POST", f"/stores/{store['id']}/staff", {"name": "Nadine", "role": "manager"})
    card = join(day, store["id"], locale="lb")
    body = {"pass_id": card["pass_id"], "staff_pin": nadine["pin"], "amount": 59.90}
    first = day.post(f"/points/{store['id']}", body)
    assert facts(first) == (0, 59, False)
    assert (first["points_added"], first["next_reward"]["missing"]) == (59, 41)
    assert first["explanation"] == [{"rule": "rate", "points": "59.9", "detail": "1", "amount_minor": 0}]
    # Points have no cooldown, and a string is as good as a number.
    second = day.post(f"/points/{store['id']}", body | {"amount": "59.90"})
    assert facts(second) == (0, 118, True)
    assert [(r["threshold"], r["ready"], r["missing"]) for r in second["rewards"]] == [
        (100, True, 0),
        (250, False, 132),
        (500, False, 382),
    ]
    third = day.post(f"/points/{store['id']}", body | {"amount": "132.00"})
    assert facts(third) == (0, 250, True)
    wish = {"pass_id": card["pass_id"], "staff_pin": nadine["pin"], "reward_id": third["rewards"][1]["id"]}
    given = day.post(f"/rewards/{store['id']}/redeem", wish)
    assert (given["cost"], facts(given)) == (250, (0, 0, False))
    missing = day.post(
        f"/rewards/{store['id']}/redeem", wish | {"reward_id": third["rewards"][2]["id"]}, status=409
    )
    assert (missing["code"], missing["missing"]) == ("not_enough", 500)
    undo = {"store_id": store["id"], "staff_pin": nadine["pin"], "reason": "Changed their mind"}
    assert facts(day.post(f"/redemptions/{given['redemption_id']}/void", undo)) == (0, 250, True)
    wish["reward_id"] = third["rewards"][0]["id"]
    assert facts(day.post(f"/rewards/{store['id']}/redeem", wish)) == (0, 150, True)
    # What has been spent meanwhile cannot simply be taken back.
    undo["reason"] = "Returned"
    spent = day.post(f"/visits/{third['visit_id']}/void", undo)
    assert facts(spent) == (0, 18, False)
    refused = day.post(f"/visits/{second['visit_id']}/void", undo, status=409)
    assert refused["code"] == "already_spent"
    forced = day.post(f"/visits/{second['visit_id']}/void", undo | {"force": True})
    assert facts(forced) == (0, -41, False)


def test_another_merchant_sees_none_of_it(server: LiveServer) -> None:
    """A key of one merchant opens nothing of another's, with the answer of an unknown id."""
    clients: list[httpx2.Client] = []
    stores = []
    for _ in range(2):
        day = Day(server)
        sign_up(day, f"two-{uuid4().hex[:12]}@example.com")
        stores.append(day.manage("POST", "/stores", {"name": "Twin", "loyalty_type": "stamps"}))
        clients.append(day.owner)
    for mine, other in ((0, 1), (1, 0)):
        own = clients[mine].get(f"/stores/{stores[mine]['id']}/staff")
        assert own.status_code == 200
        foreign = clients[mine].get(f"/stores/{stores[other]['id']}/staff")
        unknown = clients[mine].get(f"/stores/{uuid4()}/staff")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json()["code"] == unknown.json()["code"] == "not_found"

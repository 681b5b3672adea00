"""The long run of tests/browser/test_every_page.py: every page, on a phone and on a desk, by day and by night."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Demo, OpenContext
from tests.browser.steps import sign_in, take_card
from tests.browser.test_every_page import LOOKS, walk

pytestmark = pytest.mark.system


async def test_the_whole_dashboard_in_all_looks(demo: Demo, open_context: OpenContext) -> None:
    """Everything reachable from the dashboard's home fits, complains of nothing and can be used by everyone."""
    page = await (await open_context()).page()
    await sign_in(page, demo)
    seen, problems = await walk(page, ["/dashboard"], looks=LOOKS)
    assert not problems, "\n".join(problems)
    assert {"/dashboard", "/dashboard/stores", "/dashboard/stores/*", "/dashboard/customers"} <= seen, seen


async def test_what_customers_see_in_all_looks(demo: Demo, open_context: OpenContext) -> None:
    """The same for a card, the till, and what visitors see."""
    page = await (await open_context()).page()
    store = demo.store("CoffeeLux Gare")
    card = await take_card(page, store, name="Ana")
    starts = ["/", "/sign-in", "/sign-up", "/docs", "/demo/mailbox", f"/card/{card}", f"/join/{store['id']}"]
    starts += [f"/points/{store['id']}", f"/stamp/{store['id']}", f"/find/{store['id']}", "/staff"]
    seen, problems = await walk(page, starts, looks=LOOKS)
    assert not problems, "\n".join(problems)
    assert {"/", "/docs", "/card/*", "/stamp/*", "/staff"} <= seen, seen

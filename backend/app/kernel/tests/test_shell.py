"""The frame of the dashboard: which lines it shows, in which order, and which one is the page at hand."""

from __future__ import annotations

import pytest

from app.kernel.permissions import Principal
from app.kernel.points import NavItem
from app.kernel.web.shell import active_url, nav_rows, shown_items
from app.utils.id_generator import new_id

ITEMS = [
    NavItem("Settings", "/dashboard/settings", "settings", "merchant.edit", 900, "Business"),
    NavItem("Home", "/dashboard", "home", "dashboard.view", 10),
    NavItem("Staff", "/dashboard/staff", "users", "staff.view", 200, "Shop"),
    NavItem("Visits", "/dashboard/visits", "history", "dashboard.view", 300),
    NavItem("Devices", "/dashboard/devices", "device-tablet", "staff.view", 950, "Shop"),
]


def principal(*scopes: str) -> Principal:
    return Principal("member", new_id(), new_id(), role="manager", scopes=frozenset(scopes))


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/dashboard", "/dashboard"),
        ("/dashboard/visits", "/dashboard/visits"),
        ("/dashboard/visits/123/void", "/dashboard/visits"),
        ("/dashboard/visitsomething", ""),
        ("/dashboard/start", ""),
    ],
)
def test_the_page_at_hand_is_marked(path: str, url: str) -> None:
    """A page below an item belongs to it; the home page is only itself."""
    assert active_url(ITEMS, path) == url


def test_items_without_permission_are_hidden() -> None:
    """Only what the person may open is shown."""
    shown = shown_items(ITEMS, principal("dashboard.view"))

    assert [item.label for item in shown] == ["Home", "Visits"]


def test_a_section_stays_together_under_one_heading() -> None:
    """A section stands where its first item would, with the others behind it."""
    shown = shown_items(ITEMS, principal("dashboard.view", "staff.view", "merchant.edit"))
    rows = nav_rows(shown, "/dashboard/staff")

    assert [(row["group"], row["label"]) for row in rows] == [
        ("", "Home"),
        ("", "Visits"),
        ("Shop", "Staff"),
        ("", "Devices"),
        ("Business", "Settings"),
    ]
    assert [row["label"] for row in rows if row["active"]] == ["Staff"]

"""The manifest of analytics."""

from __future__ import annotations

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import (
    CUSTOMER_PANEL,
    DEMO_DATA,
    EXPORTER,
    HOME_BLOCK,
    NAV_ITEM,
    PERSONAL_DATA,
    REPORT_VIEW,
    NavItem,
    PageContext,
)
from app.kernel.reports import ReportView
from app.modules.analytics.counting.demo import count_demo_shop
from app.modules.analytics.home import home_blocks
from app.modules.analytics.jobs import (
    FIT,
    KEEP,
    count_anew,
    fit_customers,
    on_card_joined,
    on_cards_changed,
    poll_pending,
)
from app.modules.analytics.personal import PERSONAL
from app.modules.analytics.profile import customer_panel
from app.modules.analytics.reading import GLOSSARY
from app.modules.analytics.settings import AnalyticsSettings
from app.modules.analytics.tables import DAILY
from app.modules.analytics.views.cohorts import load_cohorts
from app.modules.analytics.views.glossary import load_glossary
from app.modules.analytics.views.liability import load_liability
from app.modules.analytics.views.overview import load_overview
from app.modules.analytics.views.people import load_people
from app.modules.analytics.views.places import load_places
from app.modules.analytics.views.times import load_times
from app.modules.analytics.views.value import load_value
from app.modules.cards.public import CARD_JOINED
from app.modules.wallets.public import CARDS_CHANGED

VIEW = "analytics.view"
REPORTS = {
    "overview": ReportView(msg("Overview"), VIEW, load_overview, "chart-line", 10, compares=True),
    "times": ReportView(msg("Times"), VIEW, load_times, "clock", 20),
    "customers": ReportView(msg("Customers"), VIEW, load_people, "users", 30, ranged=False, by_store=False),
    "retention": ReportView(
        msg("Coming back"), VIEW, load_cohorts, "refresh", 40, ranged=False, by_store=False
    ),
    "value": ReportView(msg("Value"), VIEW, load_value, "coins", 50, ranged=False, by_store=False),
    "places": ReportView(msg("Stores and staff"), VIEW, load_places, "building-store", 60),
    "liability": ReportView(
        msg("Open rewards"), VIEW, load_liability, "gift", 70, ranged=False, by_store=False
    ),
    GLOSSARY: ReportView(msg("What the figures mean"), VIEW, load_glossary, "help", 200, ranged=False),
}


def nav_items(page: PageContext) -> list[NavItem]:
    """Return the line of the navigation."""
    return [NavItem(msg("Figures"), "/dashboard/analytics", "chart-bar", VIEW, order=40)]


MODULE = Module(
    name="analytics",
    title="Analytics",
    needs=("merchants", "stores", "staff", "customers", "cards", "wallets", "rewards", "visits"),
    has_models=True,
    routers=("pages:router",),
    hooks=(
        On(CARDS_CHANGED, on_cards_changed),
        On(CARD_JOINED, on_card_joined),
        On(NAV_ITEM, nav_items),
        On(HOME_BLOCK, home_blocks, order=50),
        On(CUSTOMER_PANEL, customer_panel),
    ),
    offers=(
        *(Offer(REPORT_VIEW, key, view) for key, view in REPORTS.items()),
        Offer(PERSONAL_DATA, "analytics", PERSONAL),
        Offer(EXPORTER, "daily", DAILY),
        Offer(DEMO_DATA, "analytics", count_demo_shop),
    ),
    permissions=(
        Permission(VIEW, msg("See the figures"), roles=frozenset({"manager", "analyst"})),
        Permission(
            "analytics.edit", msg("Say what a reward costs"), roles=frozenset({"manager"}), of_all_stores=True
        ),
    ),
    settings=(AnalyticsSettings,),
    jobs=(count_anew, fit_customers),
    periodic=(KEEP, FIT),
    pollers=(poll_pending,),
)

"""The pages for everybody: the landing page and the API's description."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.kernel.i18n import gettext as _
from app.kernel.permissions import public
from app.kernel.web.cookies import settings_of
from app.kernel.web.templates import render
from app.modules.dashboard.api_docs import build_docs, error_table, list_access
from app.modules.dashboard.landing import ExampleCard, ExampleReward, read_demo

router = APIRouter(include_in_schema=False)


def example_cards() -> dict[str, ExampleCard]:
    """Return the two cards of the landing page."""
    return {
        "stamps": ExampleCard(
            "stamps",
            "CoffeeLux",
            "Gare",
            "coffee",
            stamp_count=7,
            next_reward=ExampleReward(_("A free coffee"), _("3 stamps to go"), 10, 3, "stamps"),
        ),
        "points": ExampleCard(
            "points",
            "Mode Avenue",
            "Grand-Rue",
            "shirt",
            points_balance=184,
            next_reward=ExampleReward(_("A voucher"), _("66 points to go"), 250, 66, "points"),
        ),
    }


@router.get("/", response_class=HTMLResponse, dependencies=[public("The landing page.")])
async def get_landing(request: Request) -> HTMLResponse:
    """Say what this is and where to begin."""
    settings = settings_of(request)
    context = {
        **example_cards(),
        "demo_shops": read_demo(settings),
        "is_demo": settings.demo,
        "is_sign_up_open": settings.sign_up == "open" and bool(settings.smtp_url or settings.demo),
    }
    return render(request, "dashboard/landing.html", context)


@router.get("/docs", response_class=HTMLResponse, dependencies=[public("The API's description.")])
async def get_docs(request: Request) -> HTMLResponse:
    """Show every call with its fields, examples and error codes."""
    state = request.app.state
    if not hasattr(state, "api_docs"):
        # The routes do not change while the process runs.
        routes = [route for _module, router in state.registry.routers() for route in router.routes]
        state.api_docs = build_docs(request.app.openapi(), list_access(routes))
    context = {
        "groups": state.api_docs,
        "errors": error_table(),
        "base_url": settings_of(request).public_url.rstrip("/"),
    }
    return render(request, "dashboard/api_docs.html", context)

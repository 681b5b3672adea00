"""One Jinja2 environment for all modules' templates, and the answers made with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from app.kernel import i18n
from app.kernel.web.csrf import CsrfToken, keep_csrf_cookie
from app.kernel.web.flash import take_flashes
from app.kernel.web.packing import html_response
from app.kernel.web.static import StaticFiles

TEMPLATE_FOLDER = Path(__file__).parents[2] / "templates"
TEMPLATES_CACHED = 400


@dataclass(frozen=True)
class LanguageChoice:
    """A language as the switch shows it, in its own name."""

    code: str
    name: str


LANGUAGE_CHOICES = tuple(LanguageChoice(code, name) for code, name in i18n.LANGUAGES.items())


def make_environment(
    module_folders: Iterable[Path], static: StaticFiles, *, is_development: bool = False
) -> Environment:
    """Build the environment over the shared folder and every module's."""
    folders = (TEMPLATE_FOLDER, *module_folders)
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=is_development,
        cache_size=TEMPLATES_CACHED,
    )
    # Newstyle calls fill in and escape the %(name)s places themselves.
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: i18n.current().raw().gettext(text),
        lambda singular, plural, count: i18n.current().raw().ngettext(singular, plural, count),
        newstyle=True,
        pgettext=lambda context, text: i18n.current().raw().pgettext(context, text),
        npgettext=lambda context, one, many, count: i18n.current().raw().npgettext(context, one, many, count),
    )
    environment.globals.update(
        static_url=static.url,
        format_number=lambda *values, **options: i18n.current().format_number(*values, **options),
        format_percent=lambda *values, **options: i18n.current().format_percent(*values, **options),
        format_money=lambda *values, **options: i18n.current().format_money(*values, **options),
        format_date=lambda *values, **options: i18n.current().format_date(*values, **options),
        format_datetime=lambda *values, **options: i18n.current().format_datetime(*values, **options),
        format_time=lambda *values, **options: i18n.current().format_time(*values, **options),
        languages=LANGUAGE_CHOICES,
    )
    return environment


def is_htmx(request: Request) -> bool:
    """Tell whether htmx asked, for a piece of the page rather than a whole one."""
    return request.headers.get("hx-request") == "true"


def page_context(request: Request) -> dict[str, Any]:
    """Return what every template may use besides its own values."""
    return {
        "request": request,
        "locale": i18n.current().language,
        "csrf_token": CsrfToken(request),
        "current_path": request.url.path,
    }


def render_text(request: Request, template: str, context: Mapping[str, Any]) -> str:
    """Render a template into a string, for parts of an answer and for streamed pieces."""
    environment: Environment = request.app.state.templates
    return environment.get_template(template).render({**page_context(request), **context})


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Answer with a page; waiting flash messages are shown once, in `flashes`."""
    flashes = take_flashes(request)
    text = render_text(request, template, {"flashes": flashes.messages, **(context or {})})
    response = html_response(request, text, status_code=status_code, headers=headers)
    flashes.clear(response)
    keep_csrf_cookie(request, response)
    return response


def render_fragment(
    request: Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Answer with a piece of a page (`_like_this.html`); flash messages wait for the next whole page."""
    text = render_text(request, template, {"flashes": [], **(context or {})})
    response = html_response(request, text, status_code=status_code, headers=headers)
    keep_csrf_cookie(request, response)
    return response

"""Where a finder of a weakness looks first: /.well-known/security.txt."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from app.kernel.errors import NotFound
from app.kernel.i18n import LANGUAGES
from app.kernel.permissions import public
from app.kernel.web.cookies import settings_of

# Shorter than the year that RFC 9116 names as the most; an installation that has gone stops promising an answer.
GOOD_FOR = timedelta(days=90)
PATH = "/.well-known/security.txt"

router = APIRouter(include_in_schema=False)


@router.get(PATH, dependencies=[public("Says whom to tell of a weakness (RFC 9116).")])
async def get_security_txt(request: Request) -> Response:
    """Answer with the operator's contact; raises NotFound where none is set."""
    settings = settings_of(request)
    if not settings.security_contact:
        raise NotFound("page")
    expires = (request.app.state.clock.now() + GOOD_FOR).replace(microsecond=0)
    lines = [
        f"Contact: {settings.security_contact}",
        f"Expires: {expires.isoformat().replace('+00:00', 'Z')}",
        f"Preferred-Languages: {', '.join(LANGUAGES)}",
        f"Canonical: {settings.public_url.rstrip('/')}{PATH}",
    ]
    return PlainTextResponse("\n".join(lines) + "\n")

"""Apple's own badge, where the operator has put it: it may be used as Apple's artwork only, and not be passed on.

Source: developer.apple.com/wallet/add-to-apple-wallet-guidelines, read on 21 November 2026: the badges are Apple's SVG
files, one a language; nobody makes versions of their own; at least a tenth of its height is clear around it.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response

from app.config import Settings
from app.kernel.errors import NotFound
from app.kernel.i18n import LANGUAGES
from app.kernel.permissions import public
from app.kernel.web.cookies import settings_of

FOLDER = "apple-badge"
URL = "/wallets/apple-badge"
BADGE_BYTES_MAX = 100_000
# Apple has no badge in Luxembourgish; the next best is the one that is everywhere.
FALLBACK = "en"
SVG = "image/svg+xml"
# The file is the operator's, but a drawing needs nothing beside itself.
ALONE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

router = APIRouter(include_in_schema=False)


def badge_file(settings: Settings, language: str) -> Path:
    """Return where the badge of a language would be."""
    return settings.data_dir / FOLDER / f"add-{language}.svg"


def find_badge(settings: Settings, language: str) -> str | None:
    """Return the address of Apple's badge in a language, else of the English one; None where there is neither."""
    for wanted in (language, FALLBACK):
        file = badge_file(settings, wanted)
        if wanted in LANGUAGES and file.is_file() and file.stat().st_size <= BADGE_BYTES_MAX:
            return f"{URL}/{wanted}.svg"
    return None


@router.get(
    URL + "/{language}.svg", dependencies=[public("Apple's badge, as the operator has put it there.")]
)
async def get_badge(request: Request, language: str) -> Response:
    """Return the badge of one of our languages."""
    settings = settings_of(request)
    if find_badge(settings, language) != f"{URL}/{language}.svg":
        raise NotFound("badge")
    content = badge_file(settings, language).read_bytes()
    headers = {"Cache-Control": "public, max-age=3600", "Content-Security-Policy": ALONE}
    return Response(content, media_type=SVG, headers=headers)

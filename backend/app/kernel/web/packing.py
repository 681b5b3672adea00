"""Pages leave compressed, unless another site had them asked for.

Compressing secrets beside what a stranger typed tells the secrets by their length (BREACH): another site makes a
visitor's browser open our page with one guess after the other, and whoever watches the line compares. A browser says
in Sec-Fetch-Site who asked, and no page can change that: only what people open themselves, by a code, a typed address
or a link of ours, is compressed. docs/adr/compressed-pages.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from fastapi import Request
from starlette.responses import HTMLResponse

# Less fits into one packet as it is.
PACK_FROM_BYTES = 1_000
# A page of 20 KB takes a third of a millisecond; the highest level takes three times that for two per cent.
LEVEL = 5
GZIP_WINDOW = 31
OWN_SITES = frozenset({"none", "same-origin"})
VARY = "accept-encoding, accept-language, cookie, hx-request, sec-fetch-site"


def html_response(
    request: Request, text: str, *, status_code: int, headers: Mapping[str, str] | None
) -> HTMLResponse:
    """Return a page, compressed where its reader takes that and nobody else had it asked for."""
    response = HTMLResponse(text, status_code=status_code, headers=dict(headers or {}))
    response.headers["vary"] = VARY
    if len(response.body) >= PACK_FROM_BYTES and may_pack(request.headers):
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)
        response.body = packer.compress(response.body) + packer.flush()
        response.headers["content-encoding"] = "gzip"
        response.headers["content-length"] = str(len(response.body))
    return response


def may_pack(headers: Mapping[str, str]) -> bool:
    """Tell whether a page may be compressed; a browser that does not say who asked gets it as it is."""
    return "gzip" in headers.get("accept-encoding", "") and headers.get("sec-fetch-site") in OWN_SITES

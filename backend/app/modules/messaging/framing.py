"""A mail as its reader sees it, for a frame inside our pages: its own inline styles, and nothing that runs."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

# A mail carries its styles in itself, as mail programmes want it. In exchange nothing else is allowed here: no script,
# no form, no connection; pictures of ours only. The sandbox holds also where the address is opened by itself.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-same-origin"
)
_LINKS_LEAVE = " allow-top-navigation-by-user-activation"


def mail_frame(html: str, *, follows_links: bool = False) -> HTMLResponse:
    """Return a mail's HTML for a frame of our own pages. follows_links: a click leads out of the frame."""
    headers = {
        "content-security-policy": _POLICY + (_LINKS_LEAVE if follows_links else ""),
        "x-frame-options": "SAMEORIGIN",
    }
    target = "_top" if follows_links else "_blank"
    return HTMLResponse(html.replace("<head>", f'<head><base target="{target}">', 1), headers=headers)

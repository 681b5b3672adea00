"""Says whether a page of ours runs, loads or sends anything that somebody typed into it."""

from __future__ import annotations

from html.parser import HTMLParser

FETCHING = {"src", "href", "action", "formaction", "poster", "data", "srcset", "xlink:href"}
FETCHING |= {"hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete"}
NEVER = {"iframe", "object", "embed", "base", "applet", "math", "style", "marquee"}


class PageReader(HTMLParser):
    """Collects what a browser would act on and we would not have written."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        names = dict(attrs)
        if tag in NEVER:
            self.problems.append(f"<{tag}>")
        if tag == "script" and not (names.get("src") or "").startswith("/static/"):
            self.problems.append(f"<script> {names}")
        for name, value in attrs:
            if name.startswith(("on", "hx-on")) or name == "style":
                self.problems.append(f"{name} on <{tag}>")
            if name in FETCHING and not self._is_ours(value or ""):
                self.problems.append(f"{name}={value!r} on <{tag}>")

    def _is_ours(self, address: str) -> bool:
        is_path = address.startswith(("/", "?", "#")) and not address.startswith(("//", "/\\"))
        return not address or is_path or address.startswith((self.base_url, "tel:", "mailto:", "data:image/"))


def problems_of(html: str, *, base_url: str = "http://testserver") -> list[str]:
    """Return what is wrong with a page; nothing, for a good one."""
    reader = PageReader(base_url)
    reader.feed(html)
    reader.close()
    return reader.problems

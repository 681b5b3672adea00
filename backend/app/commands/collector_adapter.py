"""Asks the collector of traces whether it takes any, as the doctor wants to know."""

from __future__ import annotations

import httpx2

from app.config import Settings
from app.kernel.tracing.collector import traces_url
from app.setting_rules import read_pairs

SECONDS_MAX = 5.0


def ask_collector(settings: Settings) -> tuple[bool, str]:
    """Send no traces at all, in the right form; return whether they were taken, and what was seen."""
    headers = {**read_pairs(settings.otlp_headers), "content-type": "application/x-protobuf"}
    try:
        answer = httpx2.post(
            traces_url(settings.otlp_endpoint), content=b"", headers=headers, timeout=SECONDS_MAX
        )
    except httpx2.HTTPError as error:
        return False, f"not reachable: {type(error).__name__}; requests are served all the same"
    if answer.is_success:
        return True, f"the collector takes them; {settings.otlp_ratio:.0%} are sent"
    return (
        False,
        f"the collector answers {answer.status_code}: is it an OTLP receiver, are the headers right?",
    )

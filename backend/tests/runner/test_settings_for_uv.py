"""pip's index settings reach uv, which does not read them itself."""

from __future__ import annotations

import importlib.util

from tests.runner.helpers import BACKEND

_spec = importlib.util.spec_from_file_location("pip_settings", BACKEND / "tools" / "pip_settings.py")
assert _spec is not None
assert _spec.loader is not None
pip_settings = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pip_settings)


def test_the_environment_wins_over_files():
    """pip lets PIP_* override its files."""
    listing = "global.index-url='https://a.example/simple'\n:env:.index-url='https://b.example/simple'\n"

    assert pip_settings.read_pip_settings(listing) == {"index-url": "https://b.example/simple"}


def test_further_indexes_are_all_looked_into():
    """uv would stop at the first index that knows a name; the hashes keep looking further safe."""
    settings = {"extra-index-url": "https://a.example\\nhttps://b.example", "find-links": "/x /y"}

    assert pip_settings.uv_environment(settings, {}) == {
        "UV_INDEX": "https://a.example https://b.example",
        "UV_FIND_LINKS": "/x,/y",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_what_was_chosen_for_uv_stays():
    """An operator who set an index for uv meant uv."""
    settings = {"index-url": "https://pip.example", "cert": "/ca.pem"}

    assert pip_settings.uv_environment(settings, {"UV_DEFAULT_INDEX": "https://uv.example"}) == {
        "SSL_CERT_FILE": "/ca.pem"
    }


def test_a_switched_off_no_index_is_off():
    """The word false is not a yes."""
    assert pip_settings.uv_environment({"no-index": "false"}, {}) == {}
    assert pip_settings.uv_environment({"no-index": "1"}, {}) == {"UV_NO_INDEX": "1"}

"""Pure decisions about a business."""

from __future__ import annotations

import pytest

from app.modules.merchants.rules import slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [("CoffeeLux", "coffeelux"), ("Café Bréil & Co.", "cafe-breil-co"), ("咖啡", "shop"), ("-", "shop")],
)
def test_slugs_are_plain(name: str, slug: str) -> None:
    """Names become plain letters and dashes."""
    assert slug_of(name) == slug

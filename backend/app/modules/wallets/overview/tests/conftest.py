"""The shop on the wire, as in Google's tests."""

from __future__ import annotations

from app.modules.wallets.google_wallet.tests.conftest import key_text, shop, wire

__all__ = ["key_text", "shop", "wire"]

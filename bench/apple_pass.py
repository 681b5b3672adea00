"""Apple passes a second against bare RSA-2048 signatures of the same OpenSSL, on one core.

Run: ./stempel bench apple_pass. Both take turns; the ratio of each round is printed, then the median.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "backend"))

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from app.kernel.i18n import LANGUAGES
from app.modules.wallets.apple_wallet.demo import make_chain
from app.modules.wallets.apple_wallet.generator import PassOrder, build_pass
from app.modules.wallets.apple_wallet.pictures import Look, StripState, strip_parts
from app.modules.wallets.hooks import PassField
from app.modules.wallets.rules import CardColors
from app.modules.wallets.view import CardView

ID = UUID(int=7)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def view(locale: str, stamps: int) -> CardView:
    """Return a card."""
    fields = (PassField("stamps", "Stamps", f"{stamps} / 10", "You now have %@ stamps", "header"),)
    return CardView(
        pass_id=ID, merchant_id=ID, program_id=ID, locale=locale, merchant_name="CoffeeLux",
        program_name="CoffeeLux", store_name="Gare", store_names=("Gare",), locations=(),
        time_zone="Europe/Luxembourg", loyalty_type="stamps",
        colors=CardColors("forest", "#0b5c46", "#ffffff", "#f2b632"), icon="coffee", logo_url=None,
        design_version=1, stamp_count=stamps, stamps_needed=10, points_balance=0, reward_unlocked=False,
        rewards=(), rewards_waiting=0, next_reward=None, customer_name="Anna", card_number="123456789012",
        card_number_printed="1234 5678 9012", barcode_text="123456789012", status="active", revision=1,
        update_tag=1, changed_at=NOW, last_visit_at=None, fields=fields, change_message="",
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--passes", type=int, default=200)
    options = parser.parse_args()
    identity = make_chain()[1]
    base = {"identity": identity, "serial": str(ID), "token": "t" * 43, "base": "en"}
    urls = {"service_url": "https://example.org/apple/updates", "card_url": "https://example.org/card"}
    orders = [PassOrder(**base, **urls, views={lang: view(lang, n) for lang in LANGUAGES}) for n in range(11)]
    started = time.process_time()
    strip_parts(Look("#123456", "#ffffff", "#f2b632", "coffee"), StripState(7, 10))
    print(f"a strip, drawn in three sizes: {(time.process_time() - started) * 1_000:.0f} ms")
    for order in orders:
        build_pass(order)
    ratios: list[float] = []
    for _ in range(options.rounds):
        started = time.process_time()
        for number in range(options.passes):
            identity.key.sign(b"%d" % number, PKCS1v15(), SHA256())
        bare = (time.process_time() - started) / options.passes
        started = time.process_time()
        for number in range(options.passes):
            build_pass(orders[number % 11])
        ours = (time.process_time() - started) / options.passes
        ratios.append(bare / ours)
        print(f"bare {bare * 1_000:.2f} ms, pass {ours * 1_000:.2f} ms CPU, ratio {bare / ours:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()

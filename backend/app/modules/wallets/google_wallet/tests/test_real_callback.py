"""Two messages that Google really signed, in 2024 and 2025, for another issuer.

They are published as test data of the edutap.wallet_google project. Google's list of root keys of those days
is not kept anywhere, but it need not be: an ECDSA signature and its text leave two public keys that can have made
it, and ROOT is the only one that fits both messages. So the scheme, the sender's name, the order of the parts and
the recipient are shown on Google's own signatures, not on ours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from app.modules.wallets.google_wallet.callbacks import (
    PROTOCOL,
    SENDER,
    CallbackMessage,
    Forged,
    check_intermediate,
    check_message,
    is_signed,
    issuer_of,
    signed_bytes,
)

_P256 = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
ROOT = f"{_P256}s/J7ghdwu4/b6NvqzQebS+Z80FEP8ZlGdAdWDUjfPeBKaV+YOWW0l6U/4IGXnfY9NrsND1fwxAqRq0unR/LCIg=="
ISSUER = "3388000000022141777"
SAVED: dict[str, Any] = {
    "signature": "MEYCIQCyuBQo/Dao7yUBDUWK12ATFBDkUfJUnropjOaPbPiKEwIhAKXNiVrbNmydpEVIxXRz5z36f8HV2Meq/Td6tqt2+DYO",
    "intermediateSigningKey": {
        "signedKey": f'{{"keyValue":"{_P256}3JpSX3AU53vH+IpWBdsbqrL7Ey67QSERsDUztFt8q7t7PzVkh14SeYeokI1zSZiVAWnx4tXD1t'
        'CPbrvfFGB8OA\\u003d\\u003d","keyExpiration":"1735023986000"}',
        "signatures": [
            "MEUCIQD3IBTpRM45gpno9Remtx/FiDCOJUp45+C+Qzw6IrgphwIgJijXISc+Ft8Sj9eXNowzuYyXyWlgKAE+tVnN24Sek5M="
        ],
    },
    "protocolVersion": "ECv2SigningOnly",
    "signedMessage": '{"classId":"3388000000022141777.pass.gift.dev.edutap.eu",'
    '"objectId":"3388000000022141777.9fd4e525-777c-4e0d-878a-b7993e211997","eventType":"save",'
    '"expTimeMillis":1734366082269,"count":1,"nonce":"c1359b53-f2bb-4e8f-b392-9a560a21a9a0"}',
}
DELETED: dict[str, Any] = {
    "signature": "MEUCIQC+xKva1ydmNwJJiP2HJJWsteUe02ztTDKExzcWIpmlywIgJwD4HUYvZJg/cr1OL21vVKr0b2ZXt79NblCQ1V18zsc=",
    "intermediateSigningKey": {
        "signedKey": f'{{"keyValue":"{_P256}Kb256ssDdmf7DokZ7jsMtAvjiTX2HF1ay8QR1sSA+gFpC/ChhRwVdMEVJTaoAP1MIH38QWtqSh'
        'iQ63zROaKtgQ\\u003d\\u003d","keyExpiration":"1759996807000"}',
        "signatures": [
            "MEUCIDd7rXh7qgJZ7YSlQiXG2zOdZUT5XlMSUPu3RfyV3p2CAiEApxrIwTmRVig93FVJUC6bSWdQXMqata5sHenKsVYreUk="
        ],
    },
    "protocolVersion": "ECv2SigningOnly",
    "signedMessage": '{"classId":"3388000000022141777.lib.edutap.eu",'
    '"objectId":"3388000000022141777.6b4cbd15-0de7-4fe8-95f6-995a51b4595e.object","eventType":"del",'
    '"expTimeMillis":1759331348143,"count":1,"nonce":"1a9e3df0-ec10-4a17-8b39-89d2d7f48e3b"}',
}
SAMPLES = [
    (SAVED, datetime(2024, 12, 16, 12, tzinfo=UTC)),
    (DELETED, datetime(2025, 10, 1, 9, tzinfo=UTC)),
]


def intermediate(message: CallbackMessage, now: datetime) -> str:
    """Return the key that signed a message, as far as the root vouches for it."""
    return check_intermediate(message, [ROOT], now=now)


@pytest.mark.parametrize(("sample", "then"), SAMPLES)
def test_googles_own_signatures_fit(sample: dict[str, Any], then: datetime) -> None:
    """Root over intermediate, intermediate over message, with the plain issuer id as the recipient."""
    message = CallbackMessage.model_validate(sample)
    key = intermediate(message, then)

    assert issuer_of(message) == ISSUER
    data = signed_bytes(SENDER, ISSUER, PROTOCOL, message.signed_message)
    assert is_signed(key, message.signature, data)
    # Genuine, and still not about a card of ours: the ids are another's.
    with pytest.raises(Forged, match="object id"):
        check_message(message, key, now=then)


@pytest.mark.parametrize(("sample", "then"), SAMPLES)
def test_any_other_reading_does_not_fit(sample: dict[str, Any], then: datetime) -> None:
    """Another recipient, sender, byte order, or the text written anew as JSON: no signature fits."""
    message = CallbackMessage.model_validate(sample)
    key = intermediate(message, then)
    text = message.signed_message
    big_endian = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (one.encode() for one in (SENDER, ISSUER, PROTOCOL, text))
    )
    for data in (
        signed_bytes(SENDER, f"gateway:{ISSUER}", PROTOCOL, text),
        signed_bytes("Google", ISSUER, PROTOCOL, text),
        signed_bytes(SENDER, PROTOCOL, ISSUER, text),
        signed_bytes(SENDER, ISSUER, PROTOCOL, text.replace(":", ": ").replace(",", ", ")),
        big_endian,
    ):
        assert not is_signed(key, message.signature, data)


@pytest.mark.parametrize(("sample", "then"), SAMPLES)
def test_a_real_message_ends_with_its_key(sample: dict[str, Any], then: datetime) -> None:
    """Two weeks later the intermediate key has expired; under another root it was never worth anything."""
    message = CallbackMessage.model_validate(sample)

    with pytest.raises(Forged, match="intermediate key has expired"):
        intermediate(message, then.replace(year=then.year + 1))
    with pytest.raises(Forged, match="root"):
        check_intermediate(message, [key_of(message)], now=then)


def key_of(message: CallbackMessage) -> str:
    """Return the intermediate key itself, which vouches for nothing but messages."""
    import json

    return str(json.loads(message.intermediate.signed_key)["keyValue"])


async def test_a_genuine_message_for_another_issuer_changes_nothing(client: httpx2.AsyncClient) -> None:
    """Posted here today: 403 or, without Google's keys at hand, 503; never taken."""
    for sample, _ in SAMPLES:
        answer = await client.post("/google/callbacks", json=sample)
        assert answer.status_code in {403, 503}

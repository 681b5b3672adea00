"""A private key from a stranger is looked at before it is tested: a long one would stop the process."""

from __future__ import annotations

import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from app.kernel.foreign_keys import CostlyKey, load_foreign_key
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.identity import Blob, read_leaf
from app.modules.wallets.google_wallet.accounts import UnusableKey, read_key

SECONDS_MAX = 0.5
# Exponents of Mersenne primes: primes of any length for nothing.
EVEN, UNEVEN = (3217, 2281), (2281, 1279)


def long_key(exponents: tuple[int, int], encoding: Encoding = Encoding.PEM) -> bytes:
    """Return a good private key whose primes are these Mersenne primes."""
    p, q = (2**exponent - 1 for exponent in exponents)
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("exponents", [EVEN, UNEVEN])
def test_a_long_key_is_refused_untested(exponents: tuple[int, int], encoding: Encoding) -> None:
    """Too many bits in all, or one long prime: refused at once."""
    data, began = long_key(exponents, encoding), time.process_time()
    with pytest.raises(CostlyKey):
        load_foreign_key(data, None)
    assert time.process_time() - began < SECONDS_MAX


def test_control_testing_a_long_key_takes_long() -> None:
    """Without the look at its size the same key takes seconds."""
    data, began = long_key(EVEN), time.process_time()
    load_pem_private_key(data, None)
    assert time.process_time() - began > SECONDS_MAX


def test_the_uploads_of_both_wallets_refuse_it() -> None:
    """Google's JSON key and Apple's PEM key alike; JSON nested too deep is no key either."""
    pem, began = long_key(EVEN), time.process_time()
    account = {"type": "service_account", "client_email": "a@b.example", "private_key": pem.decode()}
    with pytest.raises(UnusableKey, match="bad_key"):
        read_key(json.dumps(account))
    with pytest.raises(UnusableKey, match="not_json"):
        read_key("[" * 3_000)
    with pytest.raises(IdentityFault):
        read_leaf([Blob("key", pem)], now=None)
    assert time.process_time() - began < SECONDS_MAX


def test_a_usual_key_is_tested_and_taken() -> None:
    """2,048 bits, as Google's and Apple's are."""
    key = rsa.generate_private_key(65537, 2048)
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert isinstance(load_foreign_key(data, None), rsa.RSAPrivateKey)


def test_a_long_key_in_a_p12_holds_up_another_process_only() -> None:
    """Nothing opens a .p12 without testing its key: a process with bounded time does, and ours goes on."""
    pem, began = long_key((4423, 4253)), time.process_time()
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    p12 = pkcs12.serialize_key_and_certificates(b"pass", key, None, None, BestAvailableEncryption(b"secret"))
    with pytest.raises(IdentityFault, match="takes too long to open"):
        read_leaf([Blob("pass.p12", p12)], password="secret", now=None)
    assert time.process_time() - began < SECONDS_MAX

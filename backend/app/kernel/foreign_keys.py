"""Private RSA keys from strangers: their size is looked at before OpenSSL tests whether their numbers are prime.

The test takes time with the cube of the length: a key of 8,700 bits, a file of 7 KB, takes half a minute, in which
the whole process stands still.
"""

from __future__ import annotations

import subprocess
import sys

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from app.kernel import p12_reader

RSA_BITS_MAX = 4096
# Both primes have half the key's bits; a key with one long prime would cost as much as one of twice its length.
UNEVEN_BITS_MAX = 64
# More than the child may compute, for a machine that is busy.
P12_SECONDS_MAX = 20.0


class CostlyKey(ValueError):
    """A key too long to be tested."""


def load_foreign_key(data: bytes, password: bytes | None) -> object:
    """Return a private key in PEM or DER after all of OpenSSL's tests; raises CostlyKey, ValueError, TypeError."""
    load = load_pem_private_key if data.lstrip().startswith(b"-----") else load_der_private_key
    untested = load(data, password, unsafe_skip_rsa_key_validation=True)
    if isinstance(untested, RSAPrivateKey) and _is_costly(untested):
        raise CostlyKey("the key is too long")
    return load(data, password)


def _is_costly(key: RSAPrivateKey) -> bool:
    numbers = key.private_numbers()
    longest = max(numbers.p.bit_length(), numbers.q.bit_length())
    return key.key_size > RSA_BITS_MAX or longest > key.key_size // 2 + UNEVEN_BITS_MAX


def open_foreign_p12(data: bytes, password: bytes) -> bytes:
    """Return key and certificates of a .p12 as PEM; raises CostlyKey, UnsupportedAlgorithm, ValueError.

    Another process opens it, because the time that takes is the stranger's choice.
    """
    try:
        run = subprocess.run(
            [sys.executable, "-m", p12_reader.__name__],
            input=b"%d\n" % len(password) + password + data,
            capture_output=True,
            timeout=P12_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CostlyKey("the file takes too long to open") from error
    if run.returncode == 0:
        return run.stdout
    if run.returncode == p12_reader.UNSUPPORTED:
        raise UnsupportedAlgorithm("the file's encryption is not known here")
    if run.returncode == p12_reader.UNREADABLE:
        raise ValueError(run.stdout.decode(errors="replace"))
    raise CostlyKey("the file takes too long to open")

"""Opens a .p12 in a process of its own, with bounded time: standard input to standard output.

Nothing in OpenSSL opens such a file without testing the key in it, and a key of a few kilobytes can be made so long
that the test takes minutes. In: the password's length, a line break, the password, the file. Out: PEM.
"""

from __future__ import annotations

import resource
import sys

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

CPU_SECONDS_MAX = 5
UNSUPPORTED, UNREADABLE = 3, 4


def main() -> int:
    """Print the key and the certificates; the status says why not."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    length, _, rest = sys.stdin.buffer.read().partition(b"\n")
    password, data = rest[: int(length)], rest[int(length) :]
    try:
        key, leaf, more = pkcs12.load_key_and_certificates(data, password)
    except UnsupportedAlgorithm:
        return UNSUPPORTED
    except ValueError as error:
        sys.stdout.write(str(error))
        return UNREADABLE
    if key is not None:
        sys.stdout.buffer.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for certificate in (leaf, *more):
        if certificate is not None:
            sys.stdout.buffer.write(certificate.public_bytes(Encoding.PEM))
    return 0


if __name__ == "__main__":
    sys.exit(main())

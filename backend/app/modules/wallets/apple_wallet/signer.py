"""Signs a pass: the detached PKCS #7 signature over the exact bytes of its manifest."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from app.modules.wallets.apple_wallet.identity import Identity

# Without Binary a line break in the manifest would be rewritten; NoAttributes would lose the signing time.
_OPTIONS = [PKCS7Options.Binary, PKCS7Options.DetachedSignature]


def sign_manifest(identity: Identity, manifest: bytes) -> bytes:
    """Return the signature in DER, with the pass certificate, Apple's intermediate and the signing time."""
    return (
        PKCS7SignatureBuilder()
        .set_data(manifest)
        .add_signer(identity.certificate, identity.key, SHA256())
        .add_certificate(identity.wwdr)
        .sign(Encoding.DER, _OPTIONS)
    )

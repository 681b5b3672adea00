"""What may be wrong with an Apple certificate, each in one sentence, for the dashboard, `doctor` and the log."""

from __future__ import annotations

from collections.abc import Mapping

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg

SENTENCES: Mapping[str, str] = {
    "unreadable": msg("The file %(name)s is neither a .p12, nor a PEM file, nor a certificate."),
    "missing_file": msg("The file %(name)s cannot be read."),
    "wrong_password": msg("The password does not open the private key."),
    "old_p12": msg(
        "This .p12 is encrypted in an old way. Convert it with: openssl pkcs12 -legacy -in pass.p12 -nodes "
        "-out pass.pem, and use pass.pem."
    ),
    "no_certificate": msg("There is no certificate in what was given."),
    "no_key": msg("The private key of the certificate is missing."),
    "wrong_key": msg("The private key belongs to another certificate."),
    "weak_key": msg("The certificate needs an RSA key of at least 2048 bits."),
    "not_a_pass": msg("This is not a Pass Type ID certificate; Apple makes several kinds."),
    "expired": msg("The pass certificate expired on %(day)s. Ask Apple for a new one."),
    "not_yet": msg("The pass certificate is valid from %(day)s only. Is this machine's clock right?"),
    "no_wwdr": msg("Apple's intermediate certificate (WWDR) is missing: %(issuer)s."),
    "wrong_wwdr": msg(
        "This is another generation of Apple's intermediate certificate (WWDR) than the one that issued the "
        "pass certificate: %(issuer)s is needed."
    ),
    "wwdr_expired": msg("Apple's intermediate certificate (WWDR) expired on %(day)s."),
    "wrong_pass_type": msg("The certificate is for %(found)s, and not for %(wanted)s."),
    "wrong_team": msg("The certificate belongs to team %(found)s, and not to %(wanted)s."),
    "too_costly": msg("The file %(name)s is encrypted in a way that takes too long to open."),
    "too_large": msg("The file %(name)s is too large for a certificate."),
    "no_file": msg("Please choose a file."),
    "wrong_request": msg("This certificate does not answer the request made here; its key is another one."),
    "other_pass_type": msg(
        "This certificate is for %(found)s. Cards on phones belong to %(wanted)s and would no longer change."
    ),
    "push_refused": msg("Apple's push service refuses the certificate: %(name)s."),
}


class IdentityFault(Exception):
    """A certificate, key or file that cannot sign passes. code: one of SENTENCES; values: for its places."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(SENTENCES[code] % values)
        self.code = code
        self.values = values


def fault_text(code: str, values: Mapping[str, str] | None = None) -> str:
    """Return the sentence of a fault in the reader's language."""
    return _(SENTENCES[code], **(values or {}))

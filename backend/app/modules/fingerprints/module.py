"""The manifest of fingerprints."""

from __future__ import annotations

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import FRAUD_RULE, PERSONAL_DATA, SAME_DEVICE
from app.modules.fingerprints.jobs import sweep
from app.modules.fingerprints.service import PERSONAL_TRACES, RULE, is_same_device, note_device
from app.modules.fingerprints.settings import FingerprintSettings
from app.modules.visits.public import EARNED

MODULE = Module(
    name="fingerprints",
    title=msg("Device fingerprints"),
    about=msg(
        "Shows when one customer's phone collects on several cards; keeps keyed hashes for some weeks."
    ),
    needs=("merchants", "cards", "visits"),
    switchable=True,
    has_models=True,
    routers=("pages:router",),
    hooks=(On(EARNED, note_device),),
    offers=(
        Offer(FRAUD_RULE, "same_device", RULE),
        Offer(PERSONAL_DATA, "fingerprints", PERSONAL_TRACES),
        Offer(SAME_DEVICE, "fingerprints", is_same_device),
    ),
    permissions=(
        Permission(
            "fingerprints.edit",
            msg("Set how long device fingerprints are kept"),
            frozenset({"manager"}),
            of_all_stores=True,
        ),
    ),
    settings=(FingerprintSettings,),
    periodic=(sweep,),
)

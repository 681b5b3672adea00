"""What surfaces and the command line use of billing."""

from __future__ import annotations

from app.modules.billing.giving import give_plan
from app.modules.billing.plans import Plans
from app.modules.billing.queries import Usage, Used, read_usage

__all__ = ["Plans", "Usage", "Used", "give_plan", "read_usage"]

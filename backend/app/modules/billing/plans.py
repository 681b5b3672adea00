"""The operator's plans: one TOML file, named by STEMPEL_PLANS_FILE; without it nothing is limited."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.i18n import current
from app.kernel.metering import METER
from app.setting_rules import UnusableSetting

PLANS_MAX = 50
LIMIT_MAX = 1_000_000_000
Limit = Annotated[int, Field(ge=0, le=LIMIT_MAX, strict=True)]
Words = Annotated[str, Field(min_length=1, max_length=300)]


class UnusablePlans(UnusableSetting):
    """The file of the plans cannot be used; said at start, with what is wrong."""


class Plan(BaseModel):
    """A plan. limits: by meter; what is not named has none. upgrade: by language, said to who wants more."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Words
    limits: dict[str, Limit] = {}
    upgrade: dict[str, Words] = {}
    upgrade_url: str = Field("", max_length=300, pattern=r"^(https?://\S+|mailto:\S+)?$")

    def upgrade_words(self) -> str:
        """Return what the operator says about more, in the reader's language."""
        return self.upgrade.get(current().language) or self.upgrade.get("en", "")


class Plans(BaseModel):
    """All plans by name. default: the plan of merchants that were given none; empty: they have no limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    default: str = ""
    plans: Annotated[dict[str, Plan], Field(max_length=PLANS_MAX)] = {}

    def plan_for(self, name: str) -> Plan | None:
        """Return the plan of this name; the default for an empty name and for one that is gone."""
        return self.plans.get(name) or self.plans.get(self.default)


def read_plans(path: Path, *, meters: frozenset[str]) -> Plans:
    """Read the file; raises UnusablePlans with one sentence for a mistake, a misspelt meter among them."""
    try:
        found = Plans.model_validate(tomllib.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnusablePlans(f"STEMPEL_PLANS_FILE cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnusablePlans(f"STEMPEL_PLANS_FILE: {place}: {first['msg']}") from error
    if found.default and found.default not in found.plans:
        raise UnusablePlans(f"STEMPEL_PLANS_FILE: the default plan {found.default} is not among the plans")
    for name, plan in found.plans.items():
        if unknown := sorted(set(plan.limits) - meters):
            raise UnusablePlans(f"STEMPEL_PLANS_FILE: plan {name} limits {unknown[0]}, which nothing counts")
    return found


def prepare_plans(resources: Resources) -> None:
    """Put the plans into the process."""
    path = resources.get(Settings).plans_file
    meters: Mapping[str, object] = dict(METER.items())
    resources.put(Plans, read_plans(path, meters=frozenset(meters)) if path else Plans())

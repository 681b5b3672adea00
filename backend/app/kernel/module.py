"""What a module says about itself: its whole surface on one screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.kernel.hooks import Offer, On
from app.kernel.permissions import Permission

if TYPE_CHECKING:
    from app.kernel.adapters import Resources
    from app.kernel.jobs import Job, JobContext, Periodic
    from app.kernel.settings import ModuleSettings


@dataclass(frozen=True)
class Module:
    """The manifest of a module.

    name: also its folder under app/modules. needs: modules it calls, all earlier in INSTALLED.
    switchable: a feature that a merchant may switch off; foundation modules are always on. about: what it does for
    the shop, one msg() sentence on the page with the switches. starts_on: on for merchants made from now on.
    routers: "file:attribute" inside the module's folder, imported by the web process only.
    hot_routers: the same, matched before all others: the routes of the till, asked far more often than any page.
    models: tables are imported from models.py when has_models. jobs and pollers run in the worker.
    uploads: paths ({…}: any one part) that take more than small pictures, with the bytes of the whole request.
    resources: functions that put long-lived objects (a mail transport, a PIN cache) into the process.
    """

    name: str
    title: str
    needs: tuple[str, ...] = ()
    layer: str = "feature"
    switchable: bool = False
    about: str = ""
    starts_on: bool = False
    routers: tuple[str, ...] = ()
    hot_routers: tuple[str, ...] = ()
    has_models: bool = False
    hooks: tuple[On, ...] = ()
    offers: tuple[Offer, ...] = ()
    permissions: tuple[Permission, ...] = ()
    settings: tuple[type[ModuleSettings], ...] = ()
    jobs: tuple[Job, ...] = ()
    periodic: tuple[Periodic, ...] = ()
    pollers: tuple[Callable[[JobContext], Awaitable[int]], ...] = ()
    resources: tuple[Callable[[Resources], None], ...] = ()
    uploads: tuple[tuple[str, int], ...] = ()
    list_pages: tuple[str, ...] = ()
    package: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def package_name(self) -> str:
        """Return the dotted package of the module's folder."""
        return self.package or f"app.modules.{self.name}"

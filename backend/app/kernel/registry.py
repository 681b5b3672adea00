"""Checks the installed manifests and binds their hooks; one registry is active per process."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from fastapi import APIRouter

from app.kernel.hooks import KEYED, POINTS, Bound
from app.kernel.module import Module
from app.kernel.permissions import Permission

LAYERS = ("foundation", "feature", "surface")


class ManifestError(Exception):
    """A manifest contradicts itself or another one; said at start, never later."""


class Registry:
    """The installed modules, checked and in order."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.modules = tuple(modules)
        self.by_name = {module.name: module for module in modules}
        self._check()

    def _check(self) -> None:
        if len(self.by_name) != len(self.modules):
            raise ManifestError("two modules share a name")
        seen: set[str] = set()
        permissions: set[str] = set()
        for module in self.modules:
            if module.layer not in LAYERS:
                raise ManifestError(f"{module.name}: unknown layer {module.layer}")
            if module.switchable != bool(module.about):
                raise ManifestError(
                    f"{module.name}: a feature with a switch says what it is about, no other does"
                )
            missing = set(module.needs) - seen
            if missing:
                raise ManifestError(
                    f"{module.name} needs {', '.join(sorted(missing))}, listed later or not at all"
                )
            for permission in module.permissions:
                if permission.name in permissions:
                    raise ManifestError(f"permission {permission.name} is declared twice")
                permissions.add(permission.name)
            seen.add(module.name)

    def bind(self) -> None:
        """Make this registry's subscribers and offers the ones in effect."""
        for point in POINTS.values():
            bound = [
                Bound(module.name, module.switchable, on.order, on.function)
                for module in self.modules
                for on in module.hooks
                if on.point is point
            ]
            point.bind(sorted(bound, key=lambda subscriber: subscriber.order))
        for keyed in KEYED.values():
            offers: dict[str, object] = {}
            for module in self.modules:
                for offer in module.offers:
                    if offer.registry is not keyed:
                        continue
                    if offer.key in offers:
                        raise ManifestError(f"{keyed.name}: {offer.key} is offered twice")
                    offers[offer.key] = offer.value
            keyed.bind(offers)

    def import_models(self) -> None:
        """Import every module's tables, so that the metadata is whole."""
        for module in self.modules:
            if module.has_models:
                importlib.import_module(f"{module.package_name}.models")

    def routers(self) -> list[tuple[Module, APIRouter]]:
        """Import and return every module's routers in order, the hot ones first."""
        return [*self.hot_routers(), *self.other_routers()]

    def hot_routers(self) -> list[tuple[Module, APIRouter]]:
        """Return the routers that are matched before all others, the kernel's own included."""
        return self._import((module, spec) for module in self.modules for spec in module.hot_routers)

    def other_routers(self) -> list[tuple[Module, APIRouter]]:
        """Return the routers that are matched in the order of the modules."""
        return self._import((module, spec) for module in self.modules for spec in module.routers)

    def _import(self, specs: Iterable[tuple[Module, str]]) -> list[tuple[Module, APIRouter]]:
        found: list[tuple[Module, APIRouter]] = []
        for module, spec in specs:
            file, _, attribute = spec.partition(":")
            router = getattr(importlib.import_module(f"{module.package_name}.{file}"), attribute or "router")
            found.append((module, router))
        return found

    def template_folders(self) -> list[Path]:
        """Return the template folders of all modules that have one."""
        return [folder for module in self.modules if (folder := module_folder(module) / "templates").is_dir()]

    def locale_folders(self) -> list[Path]:
        """Return the catalogue folders of all modules that have one."""
        return [folder for module in self.modules if (folder := module_folder(module) / "locale").is_dir()]

    def switchable(self) -> dict[str, Module]:
        """Return the features a merchant switches on and off, by name."""
        return {module.name: module for module in self.modules if module.switchable}

    def permissions(self, *, modules_on: frozenset[str] | None = None) -> dict[str, Permission]:
        """Return the declared permissions by name.

        modules_on: leave out those of switchable modules that are not among them; a right of a module that a
        merchant has switched off is nobody's, and so its pages and endpoints are closed.
        """
        return {
            permission.name: permission
            for module in self.modules
            if modules_on is None or not module.switchable or module.name in modules_on
            for permission in module.permissions
        }


def module_folder(module: Module) -> Path:
    """Return the folder a module lives in."""
    package = importlib.import_module(module.package_name)
    assert package.__file__ is not None
    return Path(package.__file__).parent

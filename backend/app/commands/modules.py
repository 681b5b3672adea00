"""`modules`: what is installed and who answers which hook, from the manifests alone."""

from __future__ import annotations

import importlib
import importlib.util

from rich.console import Console
from rich.table import Table

from app.installed import INSTALLED
from app.kernel.hooks import KEYED, POINTS
from app.kernel.registry import Registry


def print_modules() -> None:
    """Print the installed modules in order."""
    table = Table("module", "layer", "needs", "what", box=None)
    for module in Registry(INSTALLED).modules:
        table.add_row(module.name, module.layer, ", ".join(module.needs) or "-", module.title)
    Console().print(table)


def print_hooks() -> None:
    """Print every extension point with its subscribers, in calling order, with file and line."""
    registry = Registry(INSTALLED)
    # A point exists once the file that declares it is imported: the kernel's, then each owner's.
    importlib.import_module("app.kernel.ledger")
    for module in registry.modules:
        name = f"{module.package_name}.public"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    registry.bind()
    console = Console(soft_wrap=True)
    for name, point in sorted(POINTS.items()):
        console.print(f"{name} ({point.kind}): {point.about}", highlight=False, markup=False)
        for bound in point.bound:
            console.print(
                f"  {bound.order:>4} {bound.module:<12} {bound.where}", highlight=False, markup=False
            )
    for name, keyed in sorted(KEYED.items()):
        console.print(f"{name} ({keyed.kind}): {keyed.about}", highlight=False, markup=False)
        for key, _ in keyed.items():
            console.print(f"       {key}", highlight=False, markup=False)

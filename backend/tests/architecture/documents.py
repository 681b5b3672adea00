"""The tools at the top of the checkout, loaded for the tests beside this file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tools.lint.sources import ROOT


def load_tool(name: str) -> ModuleType:
    """Import a script of the checkout's tools folder."""
    spec = importlib.util.spec_from_file_location(f"stempel_tool_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name.
    sys.modules[spec.name] = module
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def read(name: str) -> str:
    """Return a page of docs."""
    return Path(ROOT / "docs" / name).read_text()


docs: Any = load_tool("docs")
docs.read = read

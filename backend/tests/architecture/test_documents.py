"""What is made from the code is up to date: documents, catalogues, checksums, the first migration."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Settings
from app.installed import INSTALLED
from app.kernel.hooks import KEYED, POINTS
from app.kernel.module import Module
from app.kernel.registry import module_folder
from app.kernel.settings import ModuleSettings
from app.process import Process
from tests.architecture.documents import docs, load_tool
from tools.i18n import check as check_catalogues
from tools.lint.sources import BACKEND, ROOT, read_python_files

MIGRATION = BACKEND / "app/db/migrations/versions/0001_foundation.sql"
PARAGRAPH_LENGTH_MIN = 60
LANGUAGES = ("en", "fr", "de", "lb")
IDS = [module.name for module in INSTALLED]


def test_the_settings_page_is_true(process: Process) -> None:
    """Every setting stands in docs/settings.md with its default; run `python tools/docs.py` after a change."""
    page = docs.read("settings.md")

    assert page == docs.render_settings()
    for name in Settings.model_fields:
        assert f"| `STEMPEL_{name.upper()}` |" in page


def test_every_setting_is_described() -> None:
    """A setting nobody explained is not a setting; the module settings have a safe default as well."""
    declared = {kind for module in INSTALLED for kind in module.settings}
    own = {kind for kind in ModuleSettings.__subclasses__() if kind.__module__.startswith("app.")}

    assert own == declared, "declare it in the manifest"
    for kind in (Settings, *declared):
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name}"
            assert not field.is_required(), f"{kind.__name__}.{name}"


def test_the_hooks_page_is_true(process: Process) -> None:
    """Every point stands in docs/hooks.md with owner, kind, types and subscribers."""
    page = docs.read("hooks.md")

    assert page == docs.render_hooks()
    process.registry.bind()
    for name in (*POINTS, *KEYED):
        assert f"\n### {name}\n" in page


def test_every_point_says_what_it_is_for() -> None:
    """One sentence each, and declared once, with its types."""
    places = docs.find_declarations()

    assert set(places) == set(POINTS) | set(KEYED)
    for name, point in {**POINTS, **KEYED}.items():
        assert len(point.about) > 10, name
        assert "[" in places[name].annotation, name


def test_a_point_is_entered_through_its_owner() -> None:
    """A point of a module can be imported from that module's public.py."""
    import importlib

    for name, place in docs.find_declarations().items():
        assert hasattr(importlib.import_module(place.import_from), name), f"{name} from {place.import_from}"


@pytest.mark.parametrize("module", INSTALLED, ids=IDS)
def test_every_module_says_what_it_is(module: Module) -> None:
    """A paragraph, a title, and templates under its own name."""
    folder = module_folder(module)
    paragraph = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""

    assert len(paragraph) >= PARAGRAPH_LENGTH_MIN
    assert module.title
    assert folder.name == module.name
    assert module.has_models == (folder / "models.py").exists()
    if (folder / "templates").exists():
        assert [path.name for path in (folder / "templates").iterdir()] == [module.name]
    if (folder / "locale").exists():
        catalogues = {path.stem for path in (folder / "locale").glob("*.po")}
        assert catalogues == set(LANGUAGES)


def missing_jobs(sources: dict[str, str], manifests: dict[str, set[str]]) -> list[str]:
    """Return jobs and periodic runs that no manifest names: they would never run."""
    found = []
    for path, text in sources.items():
        names = re.findall(r"(?:@job\(|Periodic\()\s*\"([a-z_]+\.[a-z_]+)\"", text)
        found += [f"{path}: {name}" for name in names if name not in manifests[path.split("/")[2]]]
    return found


def test_every_job_is_in_a_manifest() -> None:
    """What is not declared is never run; the control is a manifest that forgot one."""
    manifests = {m.name: {entry.name for entry in (*m.jobs, *m.periodic)} for m in INSTALLED}
    sources = {file.path: file.text for file in read_python_files() if file.in_module}

    assert missing_jobs(sources, manifests) == []
    forgotten = {name: set() for name in manifests}
    assert len(missing_jobs(sources, forgotten)) >= 4


def test_the_catalogues_are_complete() -> None:
    """Every text in four languages, with its places and tags."""
    assert check_catalogues(BACKEND / "app") == []


def test_vendored_files_are_the_listed_ones(tmp_path: Path) -> None:
    """Checksums agree; the control changes one byte."""
    vendor = load_tool("vendor")
    assert vendor.problems() == []

    name = next(row[3] for row in vendor.ROW.findall(vendor.LIST.read_text()))
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes((vendor.VENDOR / name).read_bytes() + b" ")
    (tmp_path / "VENDORED.md").write_text(vendor.LIST.read_text())
    vendor.VENDOR, vendor.LIST = tmp_path, tmp_path / "VENDORED.md"
    assert f"checksum differs: {name}" in vendor.problems()


def rendered_migration() -> str:
    """Return the first migration as today's models would make it, from a process that has nothing else loaded."""
    program = (
        "import sys; sys.path.insert(0, 'tools'); import initial_migration as m; print(m.render(), end='')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": str(BACKEND), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_the_first_migration_is_what_the_models_say() -> None:
    """Nothing drifted; until the first release the migration is made anew, afterwards a new one is added."""
    assert MIGRATION.read_text() == rendered_migration()


def test_links_between_documents_lead_somewhere() -> None:
    """A relative link in a Markdown page names a file that is there."""
    dead = []
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for target in re.findall(r"(?:\]\(|src=\")([^)#\s\"{]+)", page.read_text()):
            if (
                "://" not in target
                and not target.startswith("mailto:")
                and not (page.parent / target).exists()
            ):
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert dead == []

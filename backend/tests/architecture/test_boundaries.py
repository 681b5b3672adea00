"""Who may import whom, where it depends on the names of files. The coarse directions are in .importlinter."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.installed import INSTALLED
from tools.lint.check import find_problems
from tools.lint.rules import imports_of
from tools.lint.sources import BACKEND, SourceFile, read_python_files

NEEDS = {module.name: set(module.needs) for module in INSTALLED}

# Files that may import another module's tables, each with its reason. Everything else goes through public.py.
MODELS_OF_OTHERS = {
    "app/modules/accounts/members.py": "the owner's sign-in stands in the merchant row (the seed)",
    "app/modules/dashboard/queries.py": "lists visits with their cards and customers in one statement",
    "app/modules/portal/queries.py": "reads what a card page shows in one statement",
    "app/modules/rewards/config.py": "writes stamps_needed, which follows the active rewards",
    "app/modules/wallets/queries.py": "reads card and customer in one statement",
    "app/modules/wallets/marks.py": "raises the card's revision together with its mark",
    "app/modules/wallets/view.py": "reads the card for every rendering",
    "app/modules/cards/factories.py": "makes a card with a balance and the entries behind it",
}
# Programs stand above all modules: a command is where a handler would be, the demo writes a year in bulk.
PROGRAMS = ("app/commands/", "app/demo/", "app/installed.py")


def target_of(name: str) -> tuple[str, str] | None:
    """Return (module, file) of an import below app.modules, or None."""
    parts = name.split(".")
    if parts[:2] != ["app", "modules"] or len(parts) < 4:
        return None
    return parts[2], parts[3]


def owner_of(file: SourceFile) -> str:
    """Return the module a file belongs to, or an empty text."""
    parts = file.path.split("/")
    return parts[2] if parts[:2] == ["app", "modules"] and len(parts) > 3 else ""


def is_entered_through_public(file: SourceFile, module: str, part: str) -> bool:
    """Tell whether this file may import this part of another module."""
    if part == "public" or file.path.startswith(PROGRAMS):
        return True
    if part == "models":
        return file.path in MODELS_OF_OTHERS
    return part == "factories" and file.name == "factories"


def trespasses(files: list[SourceFile]) -> list[str]:
    """Return every import that enters another module elsewhere than through its public.py."""
    found = []
    for file in files:
        if not file.in_app:
            continue
        for line, name in imports_of(file):
            target = target_of(name)
            if target is None or target[0] == owner_of(file):
                continue
            if not is_entered_through_public(file, *target):
                found.append(f"{file.path}:{line}: {name}")
    return sorted(set(found))


def undeclared_needs(files: list[SourceFile]) -> list[str]:
    """Return every import of a module that the manifest does not name. Edges may call what comes later."""
    found = []
    for file in files:
        owner = owner_of(file)
        if not file.in_app or not owner or file.is_edge or file.name == "factories":
            continue
        for line, name in imports_of(file):
            target = target_of(name)
            if target and target[0] != owner and target[0] not in NEEDS.get(owner, set()):
                found.append(f"{file.path}:{line}: {name}")
    return sorted(set(found))


def imports_of_edges(files: list[SourceFile]) -> list[str]:
    """Return every file that imports a handler file of its module without being one."""
    edges = {file.path for file in files if file.in_module and file.is_edge}
    found = []
    for file in files:
        if not file.in_module or file.is_edge:
            continue
        for line, name in imports_of(file):
            target = target_of(name)
            if target and f"app/modules/{target[0]}/{target[1]}.py" in edges:
                found.append(f"{file.path}:{line}: {name}")
    return found


def test_modules_are_entered_through_public() -> None:
    """No file reaches into another module's internals."""
    assert trespasses(read_python_files()) == []


def test_every_exception_is_still_needed() -> None:
    """An exception that nobody uses any more is taken off the list."""
    files = {file.path: file for file in read_python_files()}
    for path in MODELS_OF_OTHERS:
        targets = [target_of(name) for _, name in imports_of(files[path])]
        assert any(t and t[1] == "models" and t[0] != owner_of(files[path]) for t in targets), path


def test_manifests_name_what_is_used() -> None:
    """A module calls the modules it needs and no other; the edges of stamps and points call visits."""
    assert undeclared_needs(read_python_files()) == []


def test_edges_are_the_outermost_files() -> None:
    """Nothing in a module imports its handlers: use cases do not know who calls them."""
    assert imports_of_edges(read_python_files()) == []


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (trespasses, "app/modules/points/service.py", "from app.modules.cards.service import create_card\n"),
        (trespasses, "app/modules/points/queries.py", "from app.modules.cards.models import PassObject\n"),
        (trespasses, "app/kernel/x.py", "def f():\n    from app.modules.cards.rules import x\n"),
        (undeclared_needs, "app/modules/qr/service.py", "from app.modules.rewards.public import x\n"),
        (
            imports_of_edges,
            "app/modules/points/service.py",
            "from app.modules.points.api import post_points\n",
        ),
    ],
)
def test_planted_trespass_is_found(check, path: str, text: str) -> None:
    """The controls: each check finds what it is there for."""
    real = [file for file in read_python_files() if file.path != path]
    assert check([*real, SourceFile(path, text)]) != []


def test_the_projects_own_rules_hold() -> None:
    """tools/lint finds nothing: sizes, clock, commits, pure rules, machine paths, addresses in locks."""
    assert [str(problem) for problem in find_problems()] == []


PLANTED = {
    "kernel": ("app/kernel/money.py", "import app.modules.cards.service"),
    "programs": ("app/modules/cards/service.py", "import app.process"),
    "layers": ("app/modules/stores/service.py", "import app.modules.visits.public"),
    "inside": ("app/modules/cards/rules.py", "import app.modules.cards.service"),
    "outside": ("app/modules/cards/service.py", "import httpx2"),
    "tracing": ("app/kernel/money.py", "import opentelemetry.trace"),
}


def contracts() -> list[str]:
    """Return the names of the contracts in .importlinter."""
    parser = configparser.ConfigParser()
    parser.read(BACKEND / ".importlinter")
    return [section.rpartition(":")[2] for section in parser.sections() if ":contract:" in section]


def lint_imports(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages of a folder."""
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as c; c()",
    ]
    options = [
        "--config",
        ".importlinter",
        "--no-cache",
        *(f"--contract={contract}" for contract in contracts),
    ]
    return subprocess.run(
        [*command, *options],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages and files of app, all of them empty."""
    folder = tmp_path_factory.mktemp("skeleton")
    for file in read_python_files():
        if file.in_app:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            for parent in path.relative_to(folder).parents:
                if parent.parts:
                    (folder / parent / "__init__.py").touch()
    shutil.copy(BACKEND / ".importlinter", folder)
    return folder


def test_every_import_contract_has_its_control() -> None:
    """A contract nobody has seen fail proves nothing."""
    assert set(contracts()) == set(PLANTED)


def test_import_contracts_name_every_module() -> None:
    """A new foundation module or surface is put into the layers and the containers."""
    text = (BACKEND / ".importlinter").read_text()
    for module in INSTALLED:
        assert text.count(f"app.modules.{module.name}\n") + text.count(f"app.modules.{module.name} ") >= 2, (
            module.name
        )


@pytest.mark.parametrize("contract", sorted(PLANTED))
def test_import_contract_fails_on_a_planted_import(contract: str, skeleton: Path) -> None:
    """The control: one forbidden import breaks the contract."""
    name, text = PLANTED[contract]
    path = skeleton / name
    path.write_text(text + "\n")
    planted = lint_imports(skeleton, contract)
    path.write_text("")

    assert planted.returncode == 1, planted.stdout + planted.stderr
    assert "BROKEN" in planted.stdout


def test_import_contracts_hold() -> None:
    """Nothing is imported against its direction."""
    run = lint_imports(BACKEND)

    assert run.returncode == 0, run.stdout

"""What Docker would do, without Docker: the image's steps in an empty folder, and the files it would read."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.commands.settings_check import OTHER_VARIABLES
from app.config import Settings
from app.setting_rules import FILE_SUFFIX, variable
from tests.runner.helpers import ROOT, clean_environment, run
from tests.system.certificates import make_certificate
from tests.system.services import free_port
from tests.system.test_nginx import NAME, SHIPPED, install
from tests.system.users import as_user

pytestmark = pytest.mark.system

USER = 10_001  # of the Dockerfile
BUILD_SECONDS_MAX = 500
START_SECONDS_MAX = 240.0
STOP_SECONDS_MAX = 60.0


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Run the image's steps, from this checkout into an empty folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="stempel-image-"))
    folder.chmod(0o755)
    index = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_INDEX"))
    }
    # Of this machine, and not of whoever runs the tests: the image's user must be able to run it.
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    done = run(
        [str(ROOT / "deploy" / "image" / "build.sh"), str(ROOT), str(folder / "stempel")],
        timeout=BUILD_SECONDS_MAX,
        env=clean_environment(STEMPEL_PYTHON=str(python)) | index,
    )
    assert done.returncode == 0, done.stderr
    yield folder / "stempel"
    shutil.rmtree(folder)


def healthcheck(image: Path, user: pwd.struct_passwd, port: int) -> int:
    """Return what the image's health check says, run as an ordinary user, as the image's is."""
    command = as_user(user, f"{image}/.venv/bin/python", f"{image}/deploy/image/healthcheck.py")
    return run(command, env=clean_environment(STEMPEL_PORT=str(port))).returncode


def test_the_image_serves_as_a_user_who_owns_nothing_in_it(image: Path, user: pwd.struct_passwd) -> None:
    """Built, it starts database, web and worker without another download, and the health check sees it come and go."""
    data = image.parent / "data"
    data.mkdir()
    os.chown(data, user.pw_uid, user.pw_gid)
    port = free_port()
    before = {path: path.lstat().st_mtime_ns for path in image.rglob("*")}
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "HOME": str(data)}
    command = as_user(
        user, f"{image}/stempel", "demo", "--empty", "--port", str(port), "--data-dir", str(data)
    )
    assert healthcheck(image, user, port) == 1
    with (image.parent / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, env=clean_environment(**nowhere), stdout=log, stderr=log)
    try:
        until = time.monotonic() + START_SECONDS_MAX
        while healthcheck(image, user, port) != 0:
            assert demo.poll() is None, (image.parent / "demo.log").read_text()
            assert time.monotonic() < until, (image.parent / "demo.log").read_text()
            time.sleep(0.5)
    finally:
        demo.terminate()
        try:
            demo.wait(STOP_SECONDS_MAX)
        finally:
            demo.kill()

    assert {path: path.lstat().st_mtime_ns for path in image.rglob("*")} == before


def test_a_release_that_cannot_be_run_says_so_and_downloads_nothing(image: Path) -> None:
    """Moved to another place its environment is of no use; the sentence says what to do."""
    moved = image.parent / "moved"
    moved.mkdir()
    for name in ("stempel", ".built", "backend"):
        if name == "backend":
            (moved / name).symlink_to(image / name)
        else:
            shutil.copy(image / name, moved)
    done = run([str(moved / "stempel"), "modules"], env=clean_environment())

    assert done.returncode == 1
    assert (
        "This release was built with a Python that this user may not run, or for another place."
        in done.stderr
    )
    assert not (moved / ".venv" / "bin").exists()


def test_nothing_is_in_the_image_that_it_does_not_need(image: Path) -> None:
    """No tests, no history, no installer, and nothing that others than root may change."""
    names = {path.relative_to(image).as_posix() for path in image.rglob("*") if ".venv" not in path.parts}
    writable = [
        path
        for path in image.rglob("*")
        if not path.is_symlink() and (path.stat().st_mode & 0o022 or path.stat().st_uid != 0)
    ]

    assert not [name for name in names if "/tests/" in name or ".git" in name]
    assert {name.split("/")[0] for name in names} == {".built", "LICENSE", "backend", "deploy", "stempel"}
    assert not (image / ".venv" / "bin" / "uv").exists()
    assert writable == []


def test_the_steps_refuse_a_folder_with_something_in_it(tmp_path: Path) -> None:
    """Two releases in one folder would be neither."""
    (tmp_path / "kept").write_text("x")
    done = run([str(ROOT / "deploy" / "image" / "build.sh"), str(ROOT), str(tmp_path)])

    assert done.returncode == 1
    assert done.stderr == f"build.sh: {tmp_path} is not empty\n"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def test_the_dockerfile_ends_as_nobody_with_a_health_check() -> None:
    """Two stages from one base; the second takes only the result, and runs it by number."""
    found = instructions()
    last = found[max(n for n, (name, _) in enumerate(found) if name == "FROM") :]

    assert [value for name, value in found if name == "FROM"] == [
        "${PYTHON_IMAGE} AS build",
        "${PYTHON_IMAGE}",
    ]
    assert [value for name, value in last if name == "COPY"] == ["--from=build /opt/stempel /opt/stempel"]
    assert ("USER", f"{USER}:{USER}") in last
    assert ("ENTRYPOINT", '["/opt/stempel/stempel"]') in last
    assert any(name == "HEALTHCHECK" and "deploy/image/healthcheck.py" in value for name, value in last)
    assert ("RUN", "/src/deploy/image/build.sh /src /opt/stempel") in found


def test_docker_is_given_all_that_the_steps_copy() -> None:
    """What .dockerignore lets through exists, and covers what build.sh reads."""
    let_through = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    script = (ROOT / "deploy" / "image" / "build.sh").read_text()

    assert all(list(ROOT.glob(pattern)) for pattern in let_through)
    for wanted in ("stempel", "LICENSE", "backend/requirements*.txt", "deploy/image", "backend/app"):
        assert wanted in let_through
    for name in re.findall(r"for name in (.*); do", script)[0].split():
        assert f"backend/tools/{name}" in let_through


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Let Debian's docker-compose read the file, with drawn secrets; it needs no engine for that."""
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(ROOT / "compose.yaml", folder)
    made = run([str(ROOT / "deploy" / "compose" / "secrets.sh"), str(folder / "secrets")])
    assert made.returncode == 0, made.stderr
    environment = clean_environment(STEMPEL_SERVER_NAME="cards.example.com")
    done = run(["docker-compose", "-f", str(folder / "compose.yaml"), "config"], env=environment)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    return read


def test_compose_asks_for_the_name_it_cannot_guess(tmp_path: Path) -> None:
    """Without a server name nothing starts, and the sentence says where to put it."""
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    done = run(["docker-compose", "-f", str(tmp_path / "compose.yaml"), "config"], env=clean_environment())

    assert done.returncode != 0
    assert "set it in .env, for example cards.example.com" in done.stderr


def test_only_nginx_is_reachable_and_ours_may_do_nothing(compose: dict[str, Any]) -> None:
    """Ports at one place; our containers read-only, without capabilities, without new privileges."""
    services = compose["services"]
    ours = {name: one for name, one in services.items() if str(one.get("image", "")).startswith("stempel:")}

    assert [name for name, one in services.items() if one.get("ports")] == ["nginx"]
    assert ours.keys() == {"migrate", "web", "worker", "backup"}
    for one in ours.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]


def test_passwords_stand_in_files_and_the_owners_login_at_two_places(compose: dict[str, Any]) -> None:
    """`docker inspect` shows an environment to everybody who may ask; web and worker cannot change the schema."""
    services = compose["services"]
    holders = {
        name
        for name, one in services.items()
        if "database_admin_url" in {secret["source"] for secret in one.get("secrets", [])}
    }
    environment = {
        f"{key}={value}" for one in services.values() for key, value in (one.get("environment") or {}).items()
    }

    assert holders == {"migrate", "backup"}
    assert not [entry for entry in environment if "postgresql://" in entry or "PASSWORD=" in entry]


def test_every_variable_of_the_shipped_files_is_a_setting(compose: dict[str, Any]) -> None:
    """A setting that was renamed is renamed here, too."""
    known = {variable(name) for name in Settings.model_fields}
    known |= {name + FILE_SUFFIX for name in known} | OTHER_VARIABLES
    own = {"STEMPEL_SERVER_NAME", "STEMPEL_VERSION"}  # of compose.yaml and nginx's template
    named: set[str] = set()
    for path in [ROOT / "Dockerfile", ROOT / "compose.yaml", *(ROOT / "deploy").rglob("*")]:
        if path.is_file() and "grafana" not in path.parts:
            named |= set(re.findall(r"STEMPEL_[A-Z_]*[A-Z]", path.read_text()))

    assert "STEMPEL_DATABASE_URL_FILE" in named
    assert named - known - own == set()


def test_secrets_are_drawn_once(tmp_path: Path) -> None:
    """A second run keeps what is in use; the folder is closed to others."""
    script = str(ROOT / "deploy" / "compose" / "secrets.sh")

    def draw() -> dict[str, str]:
        assert run([script, str(tmp_path / "s")]).returncode == 0
        return {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}

    drawn = draw()

    assert draw() == drawn
    assert len(set(drawn.values())) == 5
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert drawn["postgres_password"].strip() in drawn["database_admin_url"]


def test_nginx_takes_the_containers_configuration(tmp_path: Path) -> None:
    """Its own check, on the files that compose.yaml mounts."""
    make_certificate(tmp_path / "live" / NAME, NAME)
    conf = install(tmp_path, http=1, https=2, upstream=(SHIPPED / "upstream-compose.conf").read_text())
    done = run(["nginx", "-t", "-c", str(conf)])

    assert done.returncode == 0, done.stderr

"""/metrics: what it has, for whom, and what it never says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from app.db.session import Database
from app.kernel import metrics_folder
from app.kernel.operating import MEASURE, Look, Measure
from app.kernel.upkeep import VIOLATIONS
from app.main import create_app
from app.modules.merchants.factories import make_merchant
from app.process import Process
from tools.lint.sources import BACKEND, ROOT

from .conftest import give_up

TOKEN = "a-long-metrics-token-for-tests"  # noqa: S105 (a test's)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)


async def scrape(
    process: Process, settings: Settings, *, path: str = "/metrics", token: str = TOKEN, **headers: str
) -> httpx2.Response:
    """Ask for the metrics of an installation with a token, that is no demo."""
    real = settings.model_copy(
        update={"demo": False, "public_url": "https://cards.example.com", "metrics_token": token}
    )
    transport = httpx2.ASGITransport(app=create_app(real, process=process), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=real.public_url) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize(
    "given", ["", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}"]
)
async def test_strangers_are_told_nothing(given: str, process: Process, settings: Settings) -> None:
    """Without the token the page does not even exist."""
    answer = await scrape(process, settings, **({"authorization": given} if given else {}))

    assert answer.status_code == 404
    assert "stempel_" not in answer.text


@pytest.mark.parametrize(
    ("host", "token", "status"), [("172.30.57.9:8000", TOKEN, 200), ("x.example", "", 404)]
)
async def test_each_container_is_asked_by_its_address(
    host: str, token: str, status: int, process: Process, settings: Settings
) -> None:
    """Under any host name, by the token only; every other page is for the names of ours."""
    headers = {"host": host, "authorization": f"Bearer {token}"}
    answer = await scrape(process, settings, **headers)
    page = await scrape(process, settings, path="/", **headers)

    assert (answer.status_code, page.status_code) == (status, 421)


async def test_without_a_token_metrics_answer_under_our_names_only(
    process: Process, settings: Settings
) -> None:
    """A page that had its name rebound to a demo's machine reads nothing."""
    answer = await scrape(process, settings, token="", host="x.example")

    assert answer.status_code == 421


async def test_the_format_is_prometheus_and_the_figures_are_right(
    process: Process, settings: Settings, database: Database
) -> None:
    """It parses; given-up jobs, shops, the release and the database are there, once each."""
    await make_merchant(database)
    await give_up(database, "GiveUp: no")
    answer = await scrape(process, settings, authorization=f"Bearer {TOKEN}")
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }

    assert answer.status_code == 200
    assert len(names) == len(set(names))
    assert samples["stempel_jobs", (("name", "wallets.refresh_card"), ("state", "dead"))] == 1
    assert samples["stempel_jobs", (("name", "wallets.refresh_card"), ("state", "due"))] == 0
    assert samples["stempel_merchants", ()] >= 1
    assert samples["stempel_measures_unread", ()] == 0
    assert samples["stempel_refresh_marks", ()] == 0
    assert {name for name, _labels in samples} >= {"stempel_build_info", "stempel_database_info"}


async def test_labels_name_no_shop_and_no_person(
    process: Process, settings: Settings, database: Database
) -> None:
    """No id, no address, no path with an id in it: templates of routes, kinds and states only."""
    merchant = await make_merchant(database)
    await give_up(database, f"GiveUp: {merchant.email}", merchant_id=merchant.id)
    answer = await scrape(process, settings, authorization=f"Bearer {TOKEN}")

    assert merchant.email not in answer.text
    assert UUID.search(answer.text) is None


async def test_what_cannot_be_read_is_counted_and_hides_nothing(
    process: Process, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broken figure is missing; all the others are there."""

    async def broken(_look: Look) -> dict[tuple[str, ...], float]:
        raise RuntimeError("no")

    offers = {**dict(MEASURE.items()), "stempel_planted": Measure("Planted.", broken)}
    monkeypatch.setattr(MEASURE, "_offers", offers)
    answer = await scrape(process, settings, authorization=f"Bearer {TOKEN}")

    assert "stempel_measures_unread 1.0" in answer.text
    assert "stempel_planted" not in answer.text
    assert "stempel_merchants" in answer.text


_COUNTER = """
import os, sys
from pathlib import Path
from app.kernel.metrics_folder import share
share(Path(sys.argv[1]), sys.argv[2])
from app.kernel.observability import JOBS, LIMIT_FALLBACKS, POOL, render_metrics
for _number in range(int(sys.argv[3])):
    LIMIT_FALLBACKS.inc()
JOBS.labels("planted", "done").observe(1)
POOL.labels("stempel_app").inc()
print(render_metrics().decode())
"""


def run_counter(folder: Path, program: str, times: int) -> str:
    """Run a process that counts, to its end, and return the metrics it sees."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNTER, str(folder), program, str(times)],
        cwd=BACKEND,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(BACKEND)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def test_processes_are_added_up(tmp_path: Path) -> None:
    """Web and worker count together; connections of a process that is gone are not in use any more."""
    run_counter(tmp_path, "worker", 3)
    seen = run_counter(tmp_path, "web", 4)

    assert "stempel_limit_fallbacks_total 7.0" in seen
    assert 'stempel_job_seconds_count{name="planted",result="done"} 2.0' in seen
    assert 'stempel_pool_connections_in_use{login="stempel_app"} 1.0' in seen


def test_a_fresh_start_begins_at_zero(tmp_path: Path) -> None:
    """Where no process of a program is left, the next one begins anew; another program's counts stay."""
    run_counter(tmp_path, "worker", 3)
    run_counter(tmp_path, "web", 4)
    seen = run_counter(tmp_path, "web", 5)

    assert "stempel_limit_fallbacks_total 8.0" in seen


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process then keeps its figures to itself."""
    monkeypatch.delenv(metrics_folder.FOLDER_VARIABLE, raising=False)
    blocked = tmp_path / "file"
    blocked.write_text("")
    metrics_folder.share(blocked, "web")

    assert metrics_folder.shared_files() is None


def exported_names(text: str) -> set[str]:
    """Return the names under which samples are exported, declared families included."""
    names = set()
    for family in text_string_to_metric_families(text):
        names |= {sample.name for sample in family.samples} | {family.name}
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ())
        names |= {f"{family.name}{suffix}" for suffix in suffixes}
    return names


NAMED = re.compile(r"\bstempel_[a-z_]+\b")


def names_in(path: Path) -> set[str]:
    """Return every metric that a file of dashboards or alerts names."""
    text = path.read_text()
    if path.suffix == ".json":
        text = "\n".join(
            target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", [])
        )
    else:
        text = "\n".join(line.split("expr:", 1)[1] for line in text.splitlines() if "expr:" in line)
    return set(NAMED.findall(text))


@pytest.mark.parametrize("name", ["grafana/stempel.json", "prometheus/alerts.yml"])
async def test_dashboards_and_alerts_name_what_is_exported(
    name: str, process: Process, settings: Settings
) -> None:
    """Every metric in the dashboard and in the alerts is one of ours; measures without a value count by their name."""
    answer = await scrape(process, settings, authorization=f"Bearer {TOKEN}")
    of_worker = {family.name for family in VIOLATIONS.describe()}
    known = exported_names(answer.text) | {measure for measure, _about in MEASURE.items()} | of_worker
    named = names_in(ROOT / "deploy" / name)

    assert len(named) >= 10
    assert named - known - {"stempel_app", "stempel_system"} == set()


def test_each_alert_has_its_paragraph() -> None:
    """docs/operate.md says for every alert what to do, and for none that does not exist."""
    alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    paragraphs = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operate.md").read_text(), re.M)

    assert len(alerts) >= 20
    assert sorted(alerts) == sorted(paragraphs)

"""The models of customers' worth against the figures of the papers that they come from."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.modules.analytics.value.model import (
    Fit,
    Histories,
    NoFit,
    Spending,
    expected_spend,
    expected_visits,
    fit_bgnbd,
    fit_gamma_gamma,
)

# Made by ./stempel test from requirements-testdata.txt.
CDNOW = Path(sys.prefix) / "testdata/lifetimes/datasets/cdnow_customers_summary_with_transactions.csv"


@pytest.fixture(scope="module")
def cdnow() -> list[dict[str, float]]:
    """Return the public summary of 2,357 customers: x, t_x and T in weeks, mean spend of repeat purchases."""
    with CDNOW.open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert len(rows) == 2357
    return rows


def histories(rows: list[dict[str, float]]) -> Histories:
    """Return the rows as the model takes them."""
    columns = (np.array([row[name] for row in rows]) for name in ("x", "t_x", "T"))
    return Histories(*columns, np.ones(len(rows)))


@pytest.fixture(scope="module")
def visiting(cdnow: list[dict[str, float]]) -> Fit:
    """Return the fit of how often customers come back."""
    return fit_bgnbd(histories(cdnow))


def three_figures(values: np.ndarray) -> list[float]:
    """Return values to three significant figures."""
    return [float(f"{value:.3g}") for value in values]


def test_bgnbd_gives_the_papers_parameters(visiting: Fit) -> None:
    """r, alpha, a and b of the paper's table, to three figures."""
    assert visiting.names == ("r", "alpha", "a", "b")
    assert three_figures(visiting.values) == three_figures(np.array([0.2426, 4.4135, 0.7929, 2.4258]))


def test_expectation_of_the_papers_customer(visiting: Fit) -> None:
    """Who came back twice, last after 30.43 of 38.86 weeks, is expected 1.2259 times in the next 39."""
    one = Histories(np.array([2.0]), np.array([30.43]), np.array([38.86]), np.ones(1))

    assert expected_visits(visiting.values, one, 39.0)[0] == pytest.approx(1.2259, abs=0.0001)


def test_gamma_gamma_gives_the_papers_parameters(cdnow: list[dict[str, float]]) -> None:
    """p, q and v of the paper, to three figures, and its mean spend of a customer of whom nothing is known."""
    paid = [row for row in cdnow if row["x"] > 0 and row["zbar"] > 0]
    fit = fit_gamma_gamma(
        Spending(
            np.array([row["x"] for row in paid]), np.array([row["zbar"] for row in paid]), np.ones(len(paid))
        )
    )

    assert three_figures(fit.values) == three_figures(np.array([6.2488, 3.7446, 15.4477]))
    p, q, v = fit.values
    assert expected_spend(fit.values, np.zeros(1), np.zeros(1))[0] == pytest.approx(p * v / (q - 1), rel=1e-9)


def test_alike_customers_may_be_counted_together(cdnow: list[dict[str, float]], visiting: Fit) -> None:
    """A thousand rows of one each, or the different ones with their number, are the same to the model."""
    together: dict[tuple[float, float, float], int] = {}
    for row in cdnow:
        key = (row["x"], row["t_x"], row["T"])
        together[key] = together.get(key, 0) + 1
    x, t_x, age = (np.array(column) for column in zip(*together, strict=True))
    fit = fit_bgnbd(Histories(x, t_x, age, np.array(list(together.values()), dtype=float)))

    assert len(together) < 2000
    assert fit.values == pytest.approx(visiting.values, rel=1e-4)


def test_the_unit_of_money_changes_nothing_but_the_scale(cdnow: list[dict[str, float]]) -> None:
    """In cents the fit is the same with a hundred times the scale."""
    paid = [row for row in cdnow if row["x"] > 0 and row["zbar"] > 0]
    x, mean = np.array([row["x"] for row in paid]), np.array([row["zbar"] for row in paid])
    small, large = (fit_gamma_gamma(Spending(x, mean * unit, np.ones(len(x)))) for unit in (1, 100))

    assert large.values == pytest.approx(small.values * np.array([1, 1, 100]), rel=1e-4)


def test_the_uncertainty_shrinks_with_the_customers(cdnow: list[dict[str, float]], visiting: Fit) -> None:
    """A tenth of the customers leaves the parameters about three times as uncertain."""
    fewer = fit_bgnbd(histories(cdnow[::10]))
    wide, narrow = (np.sqrt(np.diag(fit.covariance))[0] for fit in (fewer, visiting))

    assert 2.0 < wide / narrow < 5.0


def test_histories_that_say_nothing_give_no_fit() -> None:
    """Where nobody ever came back there is nothing to learn, and no figure is made up."""
    nobody = Histories(np.zeros(50), np.zeros(50), np.linspace(1, 40, 50), np.ones(50))
    with pytest.raises(NoFit):
        fit_bgnbd(nobody)


def test_scipy_is_not_loaded_with_the_application() -> None:
    """The web process and the worker start without it; the control: the model's file loads it."""
    script = "import sys; import app.main, app.worker, {0}; print('scipy' in sys.modules or 'numpy' in sys.modules)"
    heavy = [
        subprocess.run(
            [sys.executable, "-c", script.format(name)], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("app.modules.analytics.module", "app.modules.analytics.value.model")
    ]

    assert heavy == ["False", "True"]

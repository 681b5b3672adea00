"""From fitted models to figures: visits and spending to expect of the customers of today, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.modules.analytics.value.model import (
    Array,
    Fit,
    Histories,
    NoFit,
    Spending,
    chance_alive,
    expected_spend,
    expected_visits,
    fit_bgnbd,
    fit_gamma_gamma,
)

SAMPLES = 200
# Each sample of parameters is asked about so many histories at most, drawn by how many customers have them.
HISTORIES_ASKED_MAX = 3_000
SEED = 20261120
SURE = (2.5, 97.5)


def expect(people: Sequence[Mapping[str, float]], *, weeks: float, payers_min: int) -> dict[str, Any]:
    """Return what to expect of these customers; status "no_fit" where the models find no answer."""
    column = {name: np.array([row[name] for row in people]) for name in people[0]}
    of = Histories(column["x"], column["t_x"], column["age"], column["customers"])
    try:
        visiting = fit_bgnbd(of)
    except NoFit:
        return {"status": "no_fit"}
    spending = _fit_spending(column, payers_min=payers_min)
    customers = float(of.count.sum())
    alive = float(np.sum(of.count * chance_alive(visiting.values, of)))
    amounts = spending.values if isinstance(spending, Fit) else spending
    visits, value = _figures(visiting.values, amounts, column, weeks)
    visit_range, value_range = _ranges(visiting, amounts, column, weeks)
    newcomer = Histories(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1))
    return {
        "status": "ok",
        "horizon_weeks": weeks,
        "bgnbd": _named(visiting),
        "gamma_gamma": _named(spending),
        "flat_minor": spending if isinstance(spending, float) else None,
        "paid_share": _paid_share(column),
        "alive": alive,
        "visits": visits / customers,
        "visits_range": [bound / customers for bound in visit_range],
        "value_minor": value / customers if spending is not None else None,
        "value_range_minor": [bound / customers for bound in value_range] if spending is not None else None,
        "total_minor": value if spending is not None else None,
        "newcomer_visits": float(expected_visits(visiting.values, newcomer, weeks)[0]),
        "past_minor": float(column["amount_minor"].sum()) / customers,
        "past_visits": float(column["visits"].sum()) / customers,
    }


def _named(fit: Fit | float | None) -> dict[str, float] | None:
    return dict(zip(fit.names, map(float, fit.values), strict=True)) if isinstance(fit, Fit) else None


def _fit_spending(column: Mapping[str, Array], *, payers_min: int) -> Fit | float | None:
    """Return the fit; one amount for all where customers do not differ enough for one; None where few paid."""
    paid = (column["paid_days"] > 0) & (column["mean_minor"] > 0)
    if float(column["customers"][paid].sum()) < payers_min:
        return None
    try:
        return fit_gamma_gamma(
            Spending(column["paid_days"][paid], column["mean_minor"][paid], column["customers"][paid])
        )
    except NoFit:
        weights = column["customers"][paid] * column["paid_days"][paid]
        return float(np.average(column["mean_minor"][paid], weights=weights))


def _paid_share(column: Mapping[str, Array]) -> float:
    """Return how many of the days on which somebody came back came with an amount."""
    returns = float(np.sum(column["customers"] * column["x"]))
    return float(np.sum(column["customers"] * column["paid_days"])) / returns if returns else 0.0


def _figures(
    visiting: Array, spending: Array | float | None, column: Mapping[str, Array], weeks: float
) -> tuple[float, float]:
    """Return the visiting days and the spending to expect of all these customers together."""
    of = Histories(column["x"], column["t_x"], column["age"], column["customers"])
    visits = expected_visits(visiting, of, weeks) * of.count
    if spending is None:
        return float(np.sum(visits)), 0.0
    if isinstance(spending, float):
        return float(np.sum(visits)), float(np.sum(visits)) * spending * _paid_share(column)
    worth = expected_spend(spending, column["paid_days"], column["mean_minor"])
    return float(np.sum(visits)), float(np.sum(visits * worth)) * _paid_share(column)


def _ranges(
    visiting: Fit, spending: Array | float | None, column: Mapping[str, Array], weeks: float
) -> tuple[list[float], list[float]]:
    """Return between which bounds both lie, as far as the fit is sure of its parameters."""
    asked = _asked(column)
    made = np.random.default_rng(SEED)
    found = []
    for visiting_drawn in visiting.draw(SAMPLES, seed=SEED):
        # Another crowd like this one: what is uncertain about the spending is whom one happens to have.
        crowd = made.poisson(asked["customers"]).astype(float)
        share = asked["customers"].sum() / max(crowd.sum(), 1.0)
        again = {**asked, "customers": crowd * share}
        found.append(_figures(visiting_drawn, spending, again, weeks))
    kept = np.array([pair for pair in found if np.all(np.isfinite(pair))])
    visits, values = (np.percentile(kept[:, place], SURE) for place in (0, 1))
    return [float(bound) for bound in visits], [float(bound) for bound in values]


def _asked(column: Mapping[str, Array]) -> dict[str, Array]:
    """Return the histories, or so many of them drawn by their weight, standing for all."""
    if len(column["x"]) <= HISTORIES_ASKED_MAX:
        return dict(column)
    weights = column["customers"] / column["customers"].sum()
    chosen = np.random.default_rng(SEED).choice(len(weights), size=HISTORIES_ASKED_MAX, p=weights)
    asked = {name: values[chosen] for name, values in column.items()}
    asked["customers"] = np.full(HISTORIES_ASKED_MAX, column["customers"].sum() / HISTORIES_ASKED_MAX)
    return asked

"""BG/NBD and Gamma-Gamma: how often customers come back, what they spend, and what is to be expected of them.

Pure, and heavy to load: only the worker's job imports this file. Sources (read 20 November 2026): Fader, Hardie and
Lee, "Counting Your Customers the Easy Way" (2005), equations 3, 4 and 10; Fader and Hardie, "The Gamma-Gamma Model of
Monetary Value" (2013), equations 1 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

Array = NDArray[np.float64]
STEPS_MAX = 2_000
SMALLEST, LARGEST = -12.0, 12.0


@dataclass(frozen=True)
class Histories:
    """Customers, alike ones together. x: days they came back; t_x: when last; age: since the first day; weeks.

    count: how many customers have that history.
    """

    x: Array
    t_x: Array
    age: Array
    count: Array


@dataclass(frozen=True)
class Spending:
    """Customers who came back and paid. x: paid days after the first; mean: what such a day was worth, on average."""

    x: Array
    mean: Array
    count: Array


@dataclass(frozen=True)
class Fit:
    """Parameters and their covariance on the logarithmic scale, on which they were fitted."""

    names: tuple[str, ...]
    values: Array
    covariance: Array

    def draw(self, samples: int, *, seed: int) -> Array:
        """Return parameters as uncertain as the fit leaves them, one row a sample."""
        made = np.random.default_rng(seed)
        logs = made.multivariate_normal(np.log(self.values), self.covariance, size=samples, method="svd")
        drawn: Array = np.exp(np.clip(logs, SMALLEST, LARGEST))
        return drawn


class NoFit(Exception):
    """The histories say too little for the model."""


def bgnbd_log_likelihood(parameters: Array, of: Histories) -> float:
    """Return the log-likelihood of r, alpha, a, b."""
    r, alpha, a, b = parameters
    start = gammaln(r + of.x) - gammaln(r) + r * np.log(alpha)
    share = gammaln(a + b) + gammaln(b + of.x) - gammaln(b) - gammaln(a + b + of.x)
    alive = -(r + of.x) * np.log(alpha + of.age)
    came_back = of.x > 0
    gone = np.full_like(alive, -np.inf)
    gone[came_back] = (
        np.log(a)
        - np.log(b + of.x[came_back] - 1)
        - (r + of.x[came_back]) * np.log(alpha + of.t_x[came_back])
    )
    return float(np.sum(of.count * (start + share + np.logaddexp(alive, gone))))


def gamma_gamma_log_likelihood(parameters: Array, of: Spending) -> float:
    """Return the log-likelihood of p, q, v."""
    p, q, v = parameters
    terms = (
        gammaln(p * of.x + q)
        - gammaln(p * of.x)
        - gammaln(q)
        + q * np.log(v)
        + (p * of.x - 1) * np.log(of.mean)
        + p * of.x * np.log(of.x)
        - (p * of.x + q) * np.log(of.x * of.mean + v)
    )
    return float(np.sum(of.count * terms))


def fit_bgnbd(of: Histories) -> Fit:
    """Fit r, alpha, a, b by maximum likelihood; raises NoFit."""
    # The time scale of the data, so that the search begins near its end whatever the unit.
    scale = float(np.average(of.age, weights=of.count)) or 1.0
    scaled = Histories(of.x, of.t_x / scale, of.age / scale, of.count)
    fit = _fit(lambda p: bgnbd_log_likelihood(p, scaled), ("r", "alpha", "a", "b"), (0.5, 0.3, 0.7, 1.5))
    values = fit.values * np.array([1.0, scale, 1.0, 1.0])
    return Fit(fit.names, values, fit.covariance)


def fit_gamma_gamma(of: Spending) -> Fit:
    """Fit p, q, v by maximum likelihood; raises NoFit."""
    scale = float(np.average(of.mean, weights=of.count)) or 1.0
    scaled = Spending(of.x, of.mean / scale, of.count)
    fit = _fit(lambda p: gamma_gamma_log_likelihood(p, scaled), ("p", "q", "v"), (3.0, 3.0, 1.0))
    return Fit(fit.names, fit.values * np.array([1.0, 1.0, scale]), fit.covariance)


def _fit(likelihood: Callable[[Array], float], names: tuple[str, ...], start: tuple[float, ...]) -> Fit:
    def loss(logs: Array) -> float:
        value = -likelihood(np.exp(np.clip(logs, SMALLEST, LARGEST)))
        return value if np.isfinite(value) else 1e300

    best = minimize(
        loss,
        np.log(np.array(start)),
        method="Nelder-Mead",
        options={"maxiter": STEPS_MAX, "maxfev": STEPS_MAX, "xatol": 1e-7, "fatol": 1e-7},
    )
    if not best.success or np.any(np.abs(best.x) > min(-SMALLEST, LARGEST) - 1):
        raise NoFit
    covariance: Array = np.asarray(np.linalg.pinv(_curvature(loss, best.x)), dtype=np.float64)
    spread = np.linalg.eigvalsh(covariance)
    if not np.all(np.isfinite(spread)) or spread.min() < -1e-8:
        raise NoFit
    return Fit(names, np.exp(best.x), covariance)


def _curvature(loss: Callable[[Array], float], at: Array, step: float = 1e-3) -> Array:
    """Return the second derivatives by central differences."""
    size = len(at)
    steps = np.eye(size) * step
    found = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            found[i, j] = (
                loss(at + steps[i] + steps[j])
                - loss(at + steps[i] - steps[j])
                - loss(at - steps[i] + steps[j])
                + loss(at - steps[i] - steps[j])
            ) / (4 * step * step)
    curvature: Array = (found + found.T) / 2
    return curvature


def expected_visits(parameters: Array, of: Histories, weeks: float) -> Array:
    """Return how many visiting days to expect of each history in the weeks to come (E[Y(t)])."""
    r, alpha, a, b = parameters
    # a = 1 is a pole of the expression, not of what it describes.
    a = a if abs(a - 1) > 1e-6 else 1 + 1e-6
    hyper = hyp2f1(r + of.x, b + of.x, a + b + of.x - 1, weeks / (alpha + of.age + weeks))
    share = ((alpha + of.age) / (alpha + of.age + weeks)) ** (r + of.x)
    above = (a + b + of.x - 1) / (a - 1) * (1 - share * hyper)
    dropped = np.zeros_like(of.x)
    came_back = of.x > 0
    dropped[came_back] = (
        a
        / (b + of.x[came_back] - 1)
        * ((alpha + of.age[came_back]) / (alpha + of.t_x[came_back])) ** (r + of.x[came_back])
    )
    expected: Array = above / (1 + dropped)
    return expected


def chance_alive(parameters: Array, of: Histories) -> Array:
    """Return how likely each history goes on; who came once only is alive by the model's definition."""
    r, alpha, a, b = parameters
    gone = np.zeros_like(of.x)
    came_back = of.x > 0
    gone[came_back] = (
        a
        / (b + of.x[came_back] - 1)
        * ((alpha + of.age[came_back]) / (alpha + of.t_x[came_back])) ** (r + of.x[came_back])
    )
    alive: Array = 1 / (1 + gone)
    return alive


def expected_spend(parameters: Array, x: Array, mean: Array) -> Array:
    """Return what a paid day of each customer is expected to be worth; x = 0 gives what everybody's is."""
    p, q, v = parameters
    q_safe = max(q, 1.001)
    spend: Array = p * (v + x * mean) / (p * x + q_safe - 1)
    return spend

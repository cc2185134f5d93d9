"""The search of one cell: families, greedy moves, gradient ascent with rounding, multistart Powell; budgeted in evaluations and seeded.

Equal arguments give equal points on one machine. A search goes on from given starts, so that a maximum found once is never lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from ..instances import symbols_of
from ..problems import FAMILIES, draw
from ..real_numbers import Answer
from .confirm import confirm
from .lowering import Sides
from .space import FREE, Space, _text

CHUNK = 4096
"""Points evaluated at once, at most."""


@dataclass(frozen=True)
class Effort:
    """How much to search a cell.

    Attributes:
        drawn: problems of each family.
        walkers: points that greedy moves and gradients go on from.
        moves: rounds of greedy moves.
        kicks: times that the walkers are thrown off and climb again.
        steps: of the gradient.
        powell: starts of Powell's method.
        most: evaluations of the whole search, after which no further stage is begun.
    """

    drawn: int = 8
    walkers: int = 8
    moves: int = 40
    kicks: int = 4
    steps: int = 120
    powell: int = 6
    most: int = 300_000


SURE = 3
"""The best points that balls look at whenever points are taken in."""
KICKED = (0.15, 0.4, 1.0)
"""Shares of the coordinates that a kick draws anew."""
REAL = 0.99
"""A score is real if balls find at least this share of it."""
FEW = 12
"""Coordinates up to which Powell's method is tried."""


@dataclass
class Hunt:
    """The best points of a search, best first, and what each stage reached."""

    points: np.ndarray
    scores: np.ndarray
    reached: dict[str, float] = field(default_factory=dict)
    tried: int = 0

    @property
    def best(self) -> float:
        return float(self.scores[0]) if len(self.scores) else -np.inf


def hunt(sides: Sides, effort: Effort, seed: int, starts: Iterable[np.ndarray] = ()) -> Hunt:
    """Search a cell.

    Args:
        starts: points to go on from.
    """
    space = sides.space
    rng = np.random.default_rng([seed, space.dimension])
    given = np.array([*starts, np.zeros(space.dimension)])[:-1]
    pool = _Pool(sides, effort.walkers)
    if len(given):
        pool.add("start", np.concatenate([given, space.rounded(given)]))
    pool.add("families", drawn_points(space, effort.drawn, seed, rng))
    if space.dimension:
        for stage, run in (("greedy", _greedy), ("gradient", _gradient), ("kicks", _kicks), ("powell", _powell)):
            if sides.tried < effort.most:
                run(pool, effort, rng)
                pool.reached[stage] = pool.best
    return Hunt(pool.points, pool.scores, dict(pool.reached), sides.tried)


class _Pool:
    """The best distinct points so far."""

    def __init__(self, sides: Sides, size: int) -> None:
        self.sides, self.size = sides, size
        self.points, self.scores = np.empty((0, sides.space.dimension)), np.empty(0)
        self.reached: dict[str, float] = {}
        self._real: set[bytes] = set()

    @property
    def best(self) -> float:
        return float(self.scores[0]) if len(self.scores) else -np.inf

    def score(self, points: np.ndarray) -> np.ndarray:
        parts = [self.sides(points[k : k + CHUNK]) for k in range(0, len(points), CHUNK)]
        return np.concatenate(parts) if parts else np.empty(0)

    def add(self, stage: str, points: np.ndarray) -> None:
        self.keep(points, self.score(points))
        self.reached[stage] = self.best

    def keep(self, points: np.ndarray, scores: np.ndarray) -> None:
        """Take points in; those whose score balls contradict are rounding noise, and raise the floor of the left side."""
        points, scores = np.concatenate([self.points, points]), np.concatenate([self.scores, scores])
        while True:
            points, scores = _sorted(points, scores)
            bad = next((k for k in range(min(SURE, len(points))) if not self._is_real(points[k], scores[k])), None)
            if bad is None:
                break
            left = self.sides.left(points)
            self.sides.floor = max(self.sides.floor, 4 * float(left[bad]))
            kept = left >= self.sides.floor
            kept[bad] = False
            points, scores = points[kept], scores[kept]
        self.points, self.scores = points[: self.size], scores[: self.size]

    def _is_real(self, point: np.ndarray, score: float) -> bool:
        key = point.tobytes()
        if self.sides.by_margin or key in self._real:
            return True
        found = confirm(self.sides.space, self.sides.space.problem(point))
        if found is not None and (found.answer is Answer.NO or found.ratio >= REAL * score):
            self._real.add(key)
            return True
        return False


def _sorted(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct points with a finite score, the best first."""
    points, scores = points[np.isfinite(scores)], scores[np.isfinite(scores)]
    order = np.argsort(-scores, kind="stable")
    points, scores = points[order], scores[order]
    _, first = np.unique(points.round(9), axis=0, return_index=True)
    return points[np.sort(first)], scores[np.sort(first)]


def drawn_points(space: Space, count: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    """Points of every drawn family, some with scales and constants of their own, and rounded ones; shape (points, dimension)."""
    named = [s for s in symbols_of(space.claim) if s.data[1] in FREE]
    rest = _text(space.cell).split(";", 1)[1]
    found = []
    for family in FAMILIES:
        for k in range(count):
            text = rest.replace("bound=1", f"bound={space.cell.bound:g}").replace("seed=0", f"seed={seed + k}")
            point = space.point(draw(named, f"{family};{text}"))
            tail = rng.uniform(-1, 1, space.dimension - space.entries)
            if k % 2:
                point[space.entries :] = tail
            else:
                point[len(point) - len(space.constants) :] = tail[len(tail) - len(space.constants) :]
            found += [point, space.rounded(point[None])[0]]
    return np.array([*found, np.zeros(space.dimension)])[:-1]


def _greedy(pool: _Pool, effort: Effort, rng: np.random.Generator, again: int = 3) -> None:
    """Single moves from rounded walkers: an entry to -1, 0 or 1, an exponent up or down by one; the best move is taken.

    Where the walkers ended in rounding noise, the moves begin again above it.
    """
    if not len(pool.points):
        return
    space = pool.sides.space
    walkers = space.rounded(pool.points)
    scores = pool.score(walkers)
    for _ in range(effort.moves):
        moved = np.concatenate([_neighbours(space, w, rng, _share(effort, space)) for w in walkers])
        found = pool.score(moved).reshape(len(walkers), -1)
        best = found.argmax(1)
        better = found[np.arange(len(walkers)), best] > np.maximum(scores, -np.inf) + 1e-13
        if not better.any() or pool.sides.tried >= effort.most:
            break
        taken = moved.reshape(len(walkers), -1, space.dimension)[np.arange(len(walkers)), best]
        walkers = np.where(better[:, None], taken, walkers)
        scores = np.where(better, found[np.arange(len(walkers)), best], scores)
    floor = pool.sides.floor
    pool.keep(walkers, scores)
    if pool.sides.floor > floor and again:
        _greedy(pool, effort, rng, again - 1)


def _kicks(pool: _Pool, effort: Effort, rng: np.random.Generator) -> None:
    """Walkers thrown off a local maximum: some entries and exponents drawn anew, then greedy moves again."""
    if not len(pool.points):
        return
    space = pool.sides.space
    for kick in range(effort.kicks):
        if pool.sides.tried >= effort.most:
            return
        thrown = space.rounded(pool.points)
        anew = rng.random(thrown.shape) < KICKED[kick % len(KICKED)]
        drawn = rng.choice([-1.0, 0.0, 1.0], thrown.shape)
        drawn[:, space.entries :] = rng.uniform(-1, 1, drawn[:, space.entries :].shape)
        thrown = space.rounded(np.where(anew, drawn, thrown))
        climbed = _Pool(pool.sides, effort.walkers)
        climbed.add("kicks", thrown)
        _greedy(climbed, effort, rng)
        pool.keep(climbed.points, climbed.scores)


def _share(effort: Effort, space: Space) -> int:
    """Neighbours looked at from one walker: all, where the budget allows."""
    return max(8, min(2 * space.dimension, effort.most // (2 * effort.walkers * effort.moves)))


def _neighbours(space: Space, point: np.ndarray, rng: np.random.Generator, most: int) -> np.ndarray:
    count, steps = 2 * space.dimension, np.concatenate([np.ones(space.entries), space.steps()])
    chosen = np.arange(count) if most >= count else rng.choice(count, most, replace=False)
    made = np.repeat(point[None], len(chosen), axis=0)
    where, up = chosen // 2, np.where(chosen % 2, 1.0, -1.0)
    entry = where < space.entries
    # From x, an entry moves to the two others of -1, 0, 1.
    cyclic = (made[np.arange(len(chosen)), where] + up + 4) % 3 - 1
    stepped = np.clip(made[np.arange(len(chosen)), where] + up * steps[where], -1.0, 1.0)
    made[np.arange(len(chosen)), where] = np.where(entry, cyclic, stepped)
    return made


def _gradient(pool: _Pool, effort: Effort, rng: np.random.Generator) -> None:
    """Adam on all walkers at once, kept within the box; the best of each path, as it is and rounded, then greedy moves again."""
    if not len(pool.points) or not effort.steps:
        return
    space = pool.sides.space
    noise = rng.normal(0, 0.1, pool.points.shape)
    x = torch.from_numpy(np.clip(np.concatenate([pool.points, pool.points + noise]), -1, 1)).requires_grad_(True)
    adam = torch.optim.Adam([x], lr=0.05)
    best, at = np.full(len(x), -np.inf), x.detach().numpy().copy()
    for step in range(effort.steps):
        climbed, score = pool.sides.ascent(x)
        better = score.numpy() > best
        best, at = np.where(better, score.numpy(), best), np.where(better[:, None], x.detach().numpy(), at)
        adam.zero_grad()
        if not climbed.requires_grad:
            return
        torch.where(torch.isfinite(climbed), climbed, 0 * climbed.detach()).sum().neg().backward()
        assert x.grad is not None
        x.grad.nan_to_num_(0.0, 0.0, 0.0)
        for group in adam.param_groups:
            group["lr"] = 0.08 * 0.02 ** (step / effort.steps)
        adam.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
    pool.keep(at, best)
    rounded = np.concatenate([space.rounded(at, t) for t in (0.1, 0.5, 0.9)])
    pool.keep(rounded, pool.score(rounded))
    _greedy(pool, effort, rng)


def _powell(pool: _Pool, effort: Effort, rng: np.random.Generator) -> None:
    """Powell's method from the best points and from drawn ones, for few coordinates."""
    space = pool.sides.space
    if not 0 < space.dimension <= FEW or not effort.powell:
        return
    from scipy.optimize import minimize

    def loss(x: np.ndarray) -> float:
        score = float(pool.sides(np.clip(x, -1, 1)[None])[0])
        return -score if np.isfinite(score) else 1e6

    starts = [
        *pool.points[: effort.powell // 2],
        *rng.uniform(-1, 1, (effort.powell - effort.powell // 2, space.dimension)),
    ]
    for start in starts:
        found = minimize(
            loss, start, method="Powell", bounds=[(-1, 1)] * space.dimension, options={"maxfev": 300, "xtol": 1e-6}
        )
        pool.add("powell", np.clip(np.atleast_2d(found.x), -1, 1))

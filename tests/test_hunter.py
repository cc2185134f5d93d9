"""The power of the adversary: which share of known suprema it reaches, and that the benchmark cannot report more than there is."""

import time

import pytest
import sympy

from almostlinear.theorems import l1norm, maxnorm, n, symbol
from almostlinear.verify.adversary.lowering import Sides
from almostlinear.verify.adversary.search import Effort, hunt
from almostlinear.verify.adversary.space import Cell
from benchmarks.hunter import ENOUGH, SECONDS, WANTED, Known, attack, problems

x = symbol("x", n)


@pytest.fixture(scope="module")
def reached():
    begun = time.process_time()
    found = [attack(known) for known in problems()]
    return found, time.process_time() - begun


def test_there_are_twenty_problems_of_distinct_kinds():
    assert len({known.name for known in problems()}) == 20
    assert len({(str(known.left), str(known.right)) for known in problems()}) >= 18


def test_at_least_eighteen_of_twenty_suprema_are_reached(reached):
    missed = [(row.name, row.share) for row in reached[0] if row.share < ENOUGH]
    assert len(reached[0]) - len(missed) >= WANTED, missed


def test_no_supremum_is_exceeded(reached):
    """What balls confirm is below the supremum: a wrong supremum, or a ratio that is not there, would show."""
    assert not [(row.name, row.share) for row in reached[0] if row.share > 1 + 1e-12]


def test_all_of_it_takes_less_than_a_minute(reached):
    assert reached[1] < SECONDS


def test_a_wrong_supremum_is_noticed():
    twice = Known("sum of entries", l1norm(x), maxnorm(x), sympy.Integer(2), Cell({"n": 4}))
    assert attack(twice, effort=Effort(drawn=2, moves=10, kicks=0, steps=0, powell=0)).share > 1.9


def test_sampling_alone_reaches_less():
    """The search is what reaches the suprema: the drawn families alone reach fewer of them."""
    only = Effort(drawn=4, walkers=8, moves=0, kicks=0, steps=0, powell=0)
    found = [attack(known, effort=only).share for known in problems()]
    assert sum(share >= ENOUGH for share in found) < WANTED


def test_a_search_keeps_to_its_budget():
    space = problems()[0].space()
    for most in (100, 1_000, 5_000):
        sides = Sides(space)
        hunt(sides, Effort(drawn=1, walkers=4, moves=50, kicks=3, steps=20, powell=0, most=most), 0)
        assert sides.tried <= most + 4_000

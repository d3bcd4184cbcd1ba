import pytest

from sweeps.search.points import UntriedPoints


class Counted(str):
    """A value that counts how often it is compared."""

    comparisons = 0

    def __eq__(self, other):
        Counted.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def point(number):
    return {"loss": Counted("lsgan"), "name": Counted(f"point {number}")}


def comparisons(n_points):
    """Return how many comparisons it takes to leave half of the points out and to try the other half."""
    Counted.comparisons = 0
    untried = UntriedPoints(map(point, range(n_points)), map(point, range(0, n_points, 2)), seed=0)
    while untried:
        first = untried.first
        assert point(0) not in untried
        untried.remove(first)
    return Counted.comparisons


def test_twice_as_many_points_take_twice_as_many_comparisons():
    assert comparisons(2_000) <= 2.2 * comparisons(1_000)


def test_the_untried_points_come_once_each_and_in_an_order_that_the_seed_fixes():
    def order(seed):
        untried, points = UntriedPoints(map(point, range(9)), [point(4)], seed), []
        while untried:
            points.append(untried.first["name"])
            untried.remove(untried.first)
        return points

    assert sorted(order(0)) == [f"point {number}" for number in range(9) if number != 4]
    assert order(0) == order(0) != order(1)


def test_a_point_is_one_in_whatever_order_its_parameters_are():
    untried = UntriedPoints([{"lr": 0.1, "loss": "bce"}], [], seed=0)
    assert {"loss": "bce", "lr": 0.1} in untried
    untried.remove({"loss": "bce", "lr": 0.1})
    assert not untried
    with pytest.raises(KeyError):
        untried.remove({"loss": "bce", "lr": 0.1})

"""The points of a finite space that no trial has tried yet."""

from collections.abc import Iterable, Mapping
from random import Random

from sweeps.spec.domains import Scalar
from sweeps.spec.model import SweepSpec
from sweeps.spec.space import MAX_POINTS

Point = Mapping[str, Scalar]


class UntriedPoints:
    """The untried points of a finite space, in random order; each operation looks at one point, not at all.

    Args:
        points: Every point of the space.
        tried: The points that trials have tried.
        seed: Fixes the order.
    """

    def __init__(self, points: Iterable[Point], tried: Iterable[Point], seed: int) -> None:
        known = {_key(point) for point in tried}
        self._points = [point for point in points if _key(point) not in known]
        Random(seed).shuffle(self._points)  # noqa: S311 - no secret
        self._untried = {_key(point) for point in self._points}
        self._next = 0

    def __len__(self) -> int:
        return len(self._untried)

    def __contains__(self, point: Point) -> bool:
        return _key(point) in self._untried

    def remove(self, point: Point) -> None:
        """Note that a trial tries an untried point."""
        self._untried.remove(_key(point))

    @property
    def first(self) -> dict[str, Scalar]:
        """The first untried point in the random order."""
        while self._points[self._next] not in self:
            self._next += 1
        return dict(self._points[self._next])


def _key(point: Point) -> tuple[object, ...]:
    """Return a hashable value that is equal for equal points, in whatever order their parameters are."""
    return tuple(item for name in sorted(point) for item in (name, point[name]))


def untried_points(spec: SweepSpec, tried: Iterable[Point]) -> UntriedPoints | None:
    """Return the untried points of a spec's space, or None for a space that is not finite."""
    size = spec.space.size()
    points = spec.space.points() if size is not None and size <= MAX_POINTS else None
    return None if points is None else UntriedPoints(points, tried, spec.seed)

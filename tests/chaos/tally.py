"""Count what was tried, what survived, and what was lost."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """The count of one way to break a sweep.

    Args:
        what: The way to break it.
        tried: The number of tries.
        lost: A line for each try that lost something.
    """

    what: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)

    def count(self, *problems: str) -> None:
        """Count one try and what was lost in it."""
        self.tried += 1
        self.lost += [f"{self.what}: {problem}" for problem in problems]

    @property
    def survived(self) -> int:
        return self.tried - len(self.lost)

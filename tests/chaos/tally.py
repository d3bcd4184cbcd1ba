"""What was tried, what survived it, and what was lost."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """The count of one way to break a sweep.

    Args:
        what: The way.
        tried: How often.
        lost: What went wrong, a line each; what is not in it survived.
    """

    what: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)

    def count(self, *problems: str) -> None:
        """Count one try, and what it lost."""
        self.tried += 1
        self.lost += [f"{self.what}: {problem}" for problem in problems]

    @property
    def survived(self) -> int:
        return self.tried - len(self.lost)

"""Signs that a training has gone wrong although every number is finite."""

from collections.abc import Mapping
from typing import Any

CONSECUTIVE_REPORTS = 3
MAX_COLLAPSED_MODES = 2
VANISHING_GRADIENT_RATIO = 1e-2

COLLAPSE = "collapse"
DISCRIMINATOR_WON = "discriminator-won"

FLAGS = (COLLAPSE, DISCRIMINATOR_WON)


class FlagWatch:
    """Raises a flag once its sign was seen in three reports running.

    - ``collapse``: at most 2 modes (see :func:`gan_core.metrics.modes`), where real images have more.
    - ``discriminator-won``: every generated image of the last batch has a lower logit than every real one,
      and the gradient of the generator is below a hundredth of the largest of the training.

    Attributes:
        raised: Each flag that was raised, and the step of the first of its three reports.
    """

    def __init__(self) -> None:
        self.raised: dict[str, int] = {}
        self._since: dict[str, list[int]] = {flag: [] for flag in FLAGS}

    def update(self, step: int, signs: Mapping[str, bool]) -> None:
        """Take in whether each flag's sign is seen at a report."""
        for flag, seen in signs.items():
            self._since[flag] = [*self._since[flag], step][:CONSECUTIVE_REPORTS] if seen else []
            if len(self._since[flag]) == CONSECUTIVE_REPORTS:
                self.raised.setdefault(flag, self._since[flag][0])

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` takes."""
        return {"raised": self.raised, "since": self._since}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.raised, self._since = dict(state["raised"]), dict(state["since"])


def collapsed(modes: float, of_real: float) -> bool:
    """Return whether a report's modes show a collapse; where real images have as few, nothing does."""
    return modes <= MAX_COLLAPSED_MODES < of_real

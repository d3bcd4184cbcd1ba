"""Flags for training failures that leave every number finite."""

from collections.abc import Mapping
from typing import Any

CONSECUTIVE_REPORTS = 3
MAX_COLLAPSED_MODES = 2
VANISHING_GRADIENT_RATIO = 1e-2

COLLAPSE = "collapse"
DISCRIMINATOR_WON = "discriminator-won"

FLAGS = (COLLAPSE, DISCRIMINATOR_WON)


class FlagWatch:
    """Raise a flag after three consecutive reports show its sign.

    - ``collapse``: the samples cover at most 2 modes (see :func:`gan_core.metrics.modes`); real images, more.
    - ``discriminator-won``: in the last batch, every generated image has a lower logit than every real one,
      and the generator's gradient norm is below a hundredth of its maximum over the training.

    Attributes:
        raised: The raised flags, each with the step of the first of its three reports.
    """

    def __init__(self) -> None:
        self.raised: dict[str, int] = {}
        self._since: dict[str, list[int]] = {flag: [] for flag in FLAGS}

    def update(self, step: int, signs: Mapping[str, bool]) -> None:
        """Record whether the report at ``step`` shows each flag's sign."""
        for flag, seen in signs.items():
            self._since[flag] = [*self._since[flag], step][:CONSECUTIVE_REPORTS] if seen else []
            if len(self._since[flag]) == CONSECUTIVE_REPORTS:
                self.raised.setdefault(flag, self._since[flag][0])

    def state_dict(self) -> dict[str, Any]:
        """Return the state for :meth:`load_state_dict`."""
        return {"raised": self.raised, "since": self._since}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that :meth:`state_dict` returned."""
        self.raised, self._since = dict(state["raised"]), dict(state["since"])


def collapsed(modes: float, real_modes: float) -> bool:
    """Return whether the samples have collapsed to at most 2 modes although real images have more."""
    return modes <= MAX_COLLAPSED_MODES < real_modes

"""A configuration to train."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeps.record.status import Stage

if TYPE_CHECKING:
    from sweeps.spec.domains import Scalar


@dataclass(frozen=True)
class Trial:
    """A configuration to train.

    Args:
        trial_id: The sweep's name and the trial's number: ``lsgan-0007``; in a confirmation the ID of the
            repeated trial and the number of the seed: ``lsgan-0007-seed1``.
        number: The place in the order of the stage's trials, from 0.
        params: The searched parameters.
        config: Every parameter, the seed among them.
        is_baseline: Whether the searched parameters are the defaults.
        stage: The stage that the trial belongs to.
        of: The trial of the search that this one repeats on another seed: in a confirmation, or if the search
            trains a leading configuration on a further seed. None for a configuration's first training.
        drawn: The values that Optuna drew for ``params``, for its replay on resume; None if it drew none.
    """

    trial_id: str
    number: int
    params: "dict[str, Scalar]"
    config: "dict[str, Scalar]"
    is_baseline: bool
    stage: Stage = Stage.SEARCH
    of: str | None = None
    drawn: "dict[str, Scalar] | None" = None

"""One configuration that is trained."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeps.record.status import Stage

if TYPE_CHECKING:
    from sweeps.spec.domains import Scalar


@dataclass(frozen=True)
class Trial:
    """One configuration that is trained.

    Args:
        trial_id: The sweep's name and the trial's number: ``lsgan-0007``; in a confirmation the trial that it
            repeats, and the seed's place: ``lsgan-0007-seed1``.
        number: Its place in the order of its stage's trials, from 0.
        params: The searched parameters.
        config: Every parameter, the seed among them.
        is_baseline: Whether the searched parameters are the seed tutorial's defaults.
        stage: What it is for.
        of: The trial of the search whose configuration a confirmation's trial repeats.
        drawn: What Optuna drew for ``params``, which it is told again; None where it drew nothing.
    """

    trial_id: str
    number: int
    params: "dict[str, Scalar]"
    config: "dict[str, Scalar]"
    is_baseline: bool
    stage: Stage = Stage.SEARCH
    of: str | None = None
    drawn: "dict[str, Scalar] | None" = None

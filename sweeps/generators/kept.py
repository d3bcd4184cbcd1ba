"""Find and load the trained generators that a sweep keeps."""

from typing import TYPE_CHECKING

from sweeps.errors import UnknownTrialError
from sweeps.record.layout import weights_file
from sweeps.record.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    from gan_core import Generator
    from sweeps.analysis.sweep import Sweep


def load_generator(sweep: "Sweep", trial_id: str | None, *, allow_imports: bool) -> "Generator":
    """Load a trial's generator in eval mode.

    Args:
        sweep: The sweep.
        trial_id: The trial; :func:`best_trial` if it is None.
        allow_imports: Whether to import the components that the trial names by import path, which runs their
            code.

    Raises:
        UnknownTrialError: The sweep does not keep that generator.
        ImportPathError: The trial names components by import path, and ``allow_imports`` is False.
        CorruptedCheckpointError: The file is damaged.
    """
    import gan_core

    file = generator_file(sweep, trial_id or best_trial(sweep))
    return gan_core.load_generator(file, allow_imports=allow_imports)


def best_trial(sweep: "Sweep") -> str:
    """Return the confirmation's winner or, without one, the best trial with a kept generator.

    Raises:
        UnknownTrialError: The sweep keeps no generator, or not the winner's.
    """
    confirmed = sweep.confirmed()
    winner = confirmed.winner if confirmed else None
    if winner and not weights_file(sweep.folder, winner).exists():
        raise UnknownTrialError(
            f"{winner} won the confirmation, but the sweep does not keep its generator: the trial was stopped"
            f" early, or keep in the sweep's file is too small; type --trial {_best_ranked(sweep)} for the"
            " best generator that is kept"
        )
    return winner or _best_ranked(sweep)


def generator_file(sweep: "Sweep", trial_id: str) -> "Path":
    """Return the file of a trial's generator.

    Raises:
        UnknownTrialError: The sweep has no such trial, or does not keep its generator; the message says why,
            and names the best trial with a kept generator.
    """
    sweep.config_of(trial_id)
    file = weights_file(sweep.folder, trial_id)
    if file.exists():
        return file
    statuses = {
        trial: Status(status)
        for frame in (sweep.trials, sweep.replicas)
        for trial, status in zip(frame["trial_id"], frame["status"], strict=True)
    }
    reason = f"its status is {statuses[trial_id].words}, and only completed trials keep their generators"
    if statuses[trial_id] is Status.COMPLETED:
        reason = "only the best trials of a search keep their generators (keep in the sweep's file)"
    raise UnknownTrialError(
        f"the generator of {trial_id} is not kept: {reason}; the best trial that keeps one is"
        f" {_best_ranked(sweep)}"
    )


def _best_ranked(sweep: "Sweep") -> str:
    """Return the first trial of the leaderboard with a kept generator."""
    for trial_id in sweep.rank()["trial_id"]:
        if weights_file(sweep.folder, trial_id).exists():
            return str(trial_id)
    raise UnknownTrialError(
        f"{sweep.name} keeps no generator: no trial has finished yet, or keep is 0 in the sweep's file"
    )

"""Find and load the trained generators that a sweep keeps."""

from io import BytesIO
from typing import TYPE_CHECKING

from sweeps.errors import SweepError, UnknownTrialError
from sweeps.record.layout import is_kept, state_file, weights_file
from sweeps.record.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    from gan_core import Generator
    from gan_core.loop_generator import LoopGenerator
    from sweeps.analysis.sweep import Sweep


GREY_LEVELS = 2.0
"""The largest mean difference between recorded samples and those of a rebuilt generator: processors round."""


def load_generator(
    sweep: "Sweep", trial_id: str | None, *, allow_imports: bool
) -> "Generator | LoopGenerator":
    """Load a trial's generator.

    Args:
        sweep: The sweep.
        trial_id: The trial; :func:`best_trial` if it is None.
        allow_imports: Whether to import the code that the trial names by import path, which runs that code.

    Returns:
        The generator, in eval mode; that of a training loop is in the mode in which the loop yields it.

    Raises:
        UnknownTrialError: The sweep does not keep that generator.
        ImportPathError: The trial names code by import path, and ``allow_imports`` is False.
        LoopError: The training loop cannot rebuild its generator.
        SweepError: The rebuilt generator draws other images than the recorded ones.
        CorruptedCheckpointError: The file is damaged.
    """
    import gan_core
    from gan_core.loop_generator import LoopGenerator

    trial_id = trial_id or best_trial(sweep)
    generator = gan_core.load_generator(generator_file(sweep, trial_id), allow_imports=allow_imports)
    if isinstance(generator, LoopGenerator):
        _check_samples(sweep, trial_id, generator)
    return generator


def _check_samples(sweep: "Sweep", trial_id: str, generator: "LoopGenerator") -> None:
    """Check that a rebuilt generator draws the samples of the report that its weights come from."""
    import numpy as np
    from PIL import Image

    from gan_core.images import png_grid

    file = sweep.samples_file(trial_id)
    if not file.exists():
        return
    drawn, recorded = (
        np.asarray(Image.open(each), dtype=float) for each in (BytesIO(png_grid(generator.grid())), file)
    )
    difference = np.abs(drawn - recorded).mean() if drawn.shape == recorded.shape else 255.0
    if difference > GREY_LEVELS:
        raise SweepError(
            f"{trial_id}: the generator that {sweep.facts['spec']['train']} rebuilds does not draw the"
            f" samples of the record, {file}: the mean difference is {difference:.0f} grey levels. Either the"
            " code has changed, or sample uses more than the generator: keep all of it in the generator, for"
            " example as buffers"
        )


def best_trial(sweep: "Sweep") -> str:
    """Return the confirmation's winner or, without one, the best trial with a kept generator or state.

    Raises:
        UnknownTrialError: The sweep keeps no generator, or not the winner's.
    """
    confirmed = sweep.confirmed()
    winner = confirmed.winner if confirmed else None
    if winner and not is_kept(sweep.folder, winner):
        raise UnknownTrialError(
            f"{winner} won the confirmation, but the sweep does not keep its generator: the trial was stopped"
            f" early, or keep in the sweep's file is too small; type --trial {_best_ranked(sweep)} for the"
            " best generator that is kept"
        )
    return winner or _best_ranked(sweep)


def generator_file(sweep: "Sweep", trial_id: str) -> "Path":
    """Return the file of a trial's generator.

    Raises:
        UnknownTrialError: The sweep has no such trial, or does not keep its generator; the message says why.
    """
    check_kept(sweep, trial_id)
    state = state_file(sweep.folder, trial_id)
    if state.exists():
        raise UnknownTrialError(
            f"{trial_id} has no generator to draw with: {sweep.facts['spec'].get('train')} yields none. To"
            " draw, add generator=... to the loop's Snapshot, and run a new sweep; gan-sweep export writes"
            " the state of the loop's last step"
        )
    return weights_file(sweep.folder, trial_id)


def check_kept(sweep: "Sweep", trial_id: str) -> None:
    """Check that a sweep keeps the generator of a trial, or the state of its training loop.

    Raises:
        UnknownTrialError: The sweep has no such trial, or keeps nothing of it; the message says why, and
            names the best trial with a kept generator.
    """
    sweep.config_of(trial_id)
    if is_kept(sweep.folder, trial_id):
        return
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
    """Return the first trial of the leaderboard with a kept generator or state."""
    for trial_id in sweep.rank()["trial_id"]:
        if is_kept(sweep.folder, trial_id):
            return str(trial_id)
    loop = sweep.facts["spec"].get("train")
    reasons = ["no trial has finished yet", "keep is 0 in the sweep's file"]
    reasons += [f"{loop} yields neither a generator nor a state"] if loop else []
    raise UnknownTrialError(f"{sweep.name} keeps no generator: {', or '.join(reasons)}")

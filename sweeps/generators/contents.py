"""What an exported folder holds besides the card: the weights or the state, samples, and how to load them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

from gan_core.hyperparameters import named_code
from gan_core.imports import imports_are_allowed
from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.generators.formats import WEIGHTS, ModelFormat
from sweeps.generators.kept import generator_file, load_generator
from sweeps.record.code import CODE
from sweeps.record.layout import state_file

if TYPE_CHECKING:
    from gan_core import Generator

STATE = "state.checkpoint"
"""The file of the state of a training loop that yields no generator."""


@dataclass(frozen=True)
class Contents:
    """What an export of a trial holds.

    Args:
        source: The file that the sweep keeps.
        name: The file's name in the export: :data:`WEIGHTS` or :data:`STATE`.
        image_shape: Channels, height and width.
        samples: A PNG of 64 samples.
        generator: A generator that maps noise to images, for other formats; None for a training loop.
    """

    source: Path
    name: str
    image_shape: Sequence[int]
    samples: bytes
    generator: "Generator | None"

    def known_generator(self) -> "Generator":
        """Return the generator that maps noise to images.

        Raises:
            ValueError: A training loop of a user trained the generator.
        """
        if self.generator is None:
            raise ValueError(f"{self.name} is not of gan_core's own training")
        return self.generator


def contents_of(sweep: Sweep, trial_id: str, formats: Sequence[ModelFormat]) -> Contents:
    """Return what an export of a trial holds.

    Raises:
        UnknownTrialError: The sweep keeps neither the generator nor the state of the trial.
        SweepError: A training loop's generator cannot be written in the formats, or the rebuilt generator
            does not draw the recorded samples.
        GanCoreError: The file is damaged, or its code cannot be imported or cannot rebuild the generator.
    """
    loop = sweep.facts["spec"].get("train")
    if loop and formats:
        raise SweepError(
            f"--format {formats[0]}: gan-sweep does not know the inputs of the generator that {loop} yields;"
            f" export without --format, and convert the network of the export's {WEIGHTS}"
        )
    state = state_file(sweep.folder, trial_id)
    return _of_state(sweep, trial_id, state) if state.exists() else _of_generator(sweep, trial_id)


def _of_state(sweep: Sweep, trial_id: str, state: Path) -> Contents:
    from gan_core.checkpoint import load_checkpoint

    kept = load_checkpoint(state)
    samples = sweep.samples_file(trial_id, kept["step"]).read_bytes()
    return Contents(state, STATE, kept["image_shape"], samples, None)


def _of_generator(sweep: Sweep, trial_id: str) -> Contents:
    from gan_core import Generator
    from gan_core.images import png_grid

    file = generator_file(sweep, trial_id)
    generator = load_generator(sweep, trial_id, allow_imports=imports_are_allowed())
    samples = png_grid(generator.sample(64))
    known = generator if isinstance(generator, Generator) else None
    return Contents(file, WEIGHTS, generator.image_shape, samples, known)


def copy_code(sweep: Sweep, trial_id: str, out: Path) -> str | None:
    """Copy the user's own code that a trial was trained with into an export.

    Returns:
        The SHA-256 of the code, for the card; None if the sweep has no copy of it.
    """
    numbers = sweep.code_of(trial_id)
    if not numbers:
        return None
    version = sweep.facts[CODE][numbers[-1] - 1]
    folder = sweep.folder / version["folder"]
    if not folder.is_dir():
        return None
    copytree(folder, out / CODE)
    return sha256(json.dumps(version["files"], sort_keys=True).encode()).hexdigest()


def code_named_in(about: Mapping[str, Any]) -> list[str]:
    """Return the import paths of the user's own code that an export needs, each as ``MODULE:NAME``."""
    return [*([about["train"]] if about["train"] else []), *named_code(about["config"])]

"""Writes down when a worker takes its first training step; Ray's workers import it in advance.

It changes the trainer as it is imported: there is no other time at which a worker asks for it.
"""

import os
from pathlib import Path
from time import time
from typing import Any

from gan_core.trainer import Trainer

FILE = "GAN_SWEEP_FIRST_STEP"


def _noting(step: Any) -> Any:  # noqa: ANN401 - the trainer's method
    def noted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        Trainer.step = step  # type: ignore[method-assign]
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(f"{time()}\n")
        return step(*arguments, **options)

    return noted


if FILE in os.environ:
    Trainer.step = _noting(Trainer.step)  # type: ignore[method-assign]

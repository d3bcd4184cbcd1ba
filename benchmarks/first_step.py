"""Record when a worker takes its first training step.

Ray's workers import this module in advance. The import itself patches the trainer, because a worker calls no
function of this module.
"""

import os
from pathlib import Path
from time import time
from typing import Any

from gan_core.trainer import Trainer

FILE = "GAN_SWEEP_FIRST_STEP"


def _recorded(step: Any) -> Any:  # noqa: ANN401 - the trainer's method
    def recorded(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        Trainer.step = step  # type: ignore[method-assign]
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(f"{time()}\n")
        return step(*arguments, **options)

    return recorded


if FILE in os.environ:
    Trainer.step = _recorded(Trainer.step)  # type: ignore[method-assign]

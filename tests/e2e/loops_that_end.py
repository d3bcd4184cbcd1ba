"""A training loop that ends as its hyperparameter says."""

import time
from typing import Literal

import torch

from gan_core import ImageDataset, LoopConfig, Snapshot, TrainingDiverged


class Config(LoopConfig):
    end: Literal["well", "never", "diverges", "not finite", "crashes", "raises when closed"] = "well"


def train(config: Config, data: ImageDataset, device: torch.device, state=None):
    """Yield images of noise, within bounds that are drawn at the start."""
    start, bounds = state or (0, torch.rand(data.image_shape))

    def sample(n, rng):
        images = bounds * (2 * torch.rand(n, *data.image_shape, generator=rng) - 1)
        return images / 0 if config.end == "not finite" else images

    try:
        for step in range(start + 1, config.steps + 1):
            if config.reports_at(step):
                if config.end == "diverges":
                    raise TrainingDiverged(step, "loss", float("nan"))
                if config.end == "crashes":
                    raise ValueError(f"no such file in step {step}")
                yield Snapshot(step, sample, state=lambda step=step: (step, bounds))
    finally:
        if config.end == "never":
            time.sleep(3600)
        if config.end == "raises when closed":
            raise OSError("cannot remove the temporary folder")

"""Train with the tutorial's loop and DataLoader, and score each report: what peers search with."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.step import Pictures, cycle_of
from benchmarks.worlds import WORLDS
from gan_core import Evaluator, load_dataset
from tests.gan_core.tutorial_loop import TutorialTrainer, mlp_pair

SIZES = ("batch_size", "steps", "report_every", "eval_samples")
FIXED = {name: int(WORLDS["mlp-lsgan-4000"].fixed[name]) for name in SIZES}
GENERATED_AT_ONCE = 250


class Digits:
    """The digits as the tutorial loads them, and the evaluator of their generators."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        data = load_dataset("mnist-5k")
        self._evaluator = Evaluator(data)
        self._loader = DataLoader(
            Pictures(data.train), batch_size=FIXED["batch_size"], shuffle=True, drop_last=True
        )

    def fids(self, noise_dim: int, lr: float, beta1: float, leaky_slope: float) -> Iterator[float]:
        """Train an LSGAN, and yield its fid at each report, until it diverges."""
        trainer = TutorialTrainer("mlp", "lsgan")
        trainer.generator, trainer.discriminator = mlp_pair(noise_dim, leaky_slope)
        trainer.d_optimizer = torch.optim.Adam(trainer.discriminator.parameters(), lr, (beta1, 0.999))
        trainer.g_optimizer = torch.optim.Adam(trainer.generator.parameters(), lr, (beta1, 0.999))
        batches = enumerate(cycle_of(self._loader), start=1)
        for step, (real, _) in islice(batches, FIXED["steps"]):
            trainer.step(real, _noise(FIXED["batch_size"], noise_dim))
            if step % FIXED["report_every"] == 0:
                images = _images(trainer, noise_dim)
                if not images.isfinite().all():
                    return
                yield self._evaluator.score(images.split(GENERATED_AT_ONCE))["fid"]


def _noise(n: int, noise_dim: int) -> Tensor:
    return (torch.rand(n, noise_dim) - 0.5) / 0.5


def _images(trainer: TutorialTrainer, noise_dim: int) -> Tensor:
    with torch.no_grad():
        images: Tensor = trainer.generator(_noise(FIXED["eval_samples"], noise_dim))
    return images.reshape(-1, 1, 28, 28)

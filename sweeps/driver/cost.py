"""Estimate how long the trials of a sweep take, from a few real training steps."""

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from gan_core.config import TrialConfig
from gan_core.loop_config import LoopConfig
from sweeps.spec.model import SweepSpec

if TYPE_CHECKING:
    from gan_core.architectures import ImageShape
    from gan_core.loops.speed import LoopSpeed

WARM_STEPS, TIMED_SECONDS = 2, 2.0
TIMED_IMAGES = 250
SCORES_OVER_FEATURES = 2.0
"""Time to score images, over the time of a classifier to compute their features: measured on digits."""


@dataclass(frozen=True)
class Cost:
    """The time of a trial at the baseline.

    Args:
        speed: How fast the training takes steps and generates images.
        score_s: Estimated seconds to score one generated image, among many.
    """

    speed: "LoopSpeed"
    score_s: float

    @property
    def image_s(self) -> float:
        """Estimated seconds to generate and score one image, among many."""
        return self.speed.image_s + self.score_s

    def seconds(self, config: LoopConfig, steps: float) -> float:
        """Return the seconds of ``steps`` steps and their reports."""
        return steps * (self.speed.step_s + self.image_s * config.eval_samples / config.report_every)

    def whole(self, config: LoopConfig) -> float:
        """Return the seconds of a trial that is trained to its end, with its final score."""
        return self.seconds(config, config.steps) + self.image_s * config.final_samples


def cost_of(spec: SweepSpec, config: LoopConfig, shape: "ImageShape", device: str) -> Cost:
    """Take real training steps for about two seconds, and return what a trial costs.

    Args:
        spec: The sweep.
        config: The configuration to train.
        shape: Channels, height and width of the images.
        device: The device of a trial.

    Raises:
        GanCoreError: The training fails.
    """
    import torch

    torch.set_num_threads(spec.resources.cpu)
    if isinstance(config, TrialConfig):
        speed = _of_trainer(config, shape, device)
    else:
        speed = _of_loop(spec, config, device)
    return Cost(speed, SCORES_OVER_FEATURES * _feature_seconds(shape, device))


def _of_trainer(config: TrialConfig, shape: "ImageShape", device: str) -> "LoopSpeed":
    """Time gan_core's own training on random images."""
    import torch

    from gan_core import Trainer
    from gan_core.loops.speed import LoopSpeed
    from gan_core.noise import draw_noise, rng_for

    trainer, rng = Trainer(config, shape, device), rng_for("preview", device=device)
    n = config.batch_size * config.d_steps
    real = torch.rand(n, *shape, generator=rng, device=device) * 2 - 1

    def step() -> None:
        trainer.step(real, draw_noise(config, n, rng))
        trainer.check()

    for _ in range(WARM_STEPS):
        step()
    steps, started = 0, perf_counter()
    while perf_counter() - started < TIMED_SECONDS:
        step()
        steps += 1
    step_s = (perf_counter() - started) / steps
    noise = draw_noise(config, config.eval_samples, rng)
    return LoopSpeed(step_s, _seconds(lambda: trainer.generate(noise)) / config.eval_samples)


def _of_loop(spec: SweepSpec, config: LoopConfig, device: str) -> "LoopSpeed":
    """Time a user's training loop on the dataset."""
    from gan_core import load_dataset
    from gan_core.hyperparameters import named_loop
    from gan_core.loops.speed import loop_speed

    return loop_speed(named_loop(spec.train), load_dataset(**spec.data), config, device, TIMED_SECONDS)


def _feature_seconds(shape: "ImageShape", device: str) -> float:
    """Return the seconds that a classifier of such images takes for one image, among many."""
    import torch

    from gan_core.classifiers.training import recipe_of

    network = recipe_of(shape).network(shape, 10).eval().to(device)
    images = torch.zeros(TIMED_IMAGES, *shape, device=device)
    with torch.inference_mode():
        network(images)
        return _seconds(lambda: network(images)[0]) / TIMED_IMAGES


def _seconds(computed: Any) -> float:  # noqa: ANN401 - a function that returns a tensor
    """Return the seconds of a computation until its result is on the CPU."""
    started = perf_counter()
    computed().cpu()
    return perf_counter() - started

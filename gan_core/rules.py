"""Rules of training that a version of this package changed, and the trainings that they concern."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gan_core.config import TrialConfig
from gan_core.discriminators import has_independent_rows
from gan_core.precision import resolve_precision

if TYPE_CHECKING:
    import torch

    from gan_core.architectures import ImageShape
    from gan_core.loop_config import LoopConfig

VERSION = 2
"""The version of the rules, which checkpoints and records hold; a checkpoint or record without one has 1."""


@dataclass(frozen=True)
class Rule:
    """A rule that changed.

    Args:
        since: The first version of the rules with this rule.
        what: The rule, as a part of a sentence.
        concerns: Whether it concerns a training with a config, an image shape and a device.
    """

    since: int
    what: str
    concerns: "Callable[[TrialConfig, ImageShape, torch.device], bool]"


RULES = (
    Rule(
        2,
        "the generator's average ramps up and includes the batch statistics",
        lambda config, _shape, _device: config.ema_decay > 0,
    ),
    Rule(
        2,
        "the discriminator's last layer stays in float32",
        lambda config, _shape, device: resolve_precision(config.precision, device) == "bf16",
    ),
    Rule(
        2,
        "fp32 does not round convolutions to TF32",
        lambda config, _shape, device: (
            device.type == "cuda" and resolve_precision(config.precision, device) == "fp32"
        ),
    ),
    Rule(
        2,
        "d_loss is reported without the penalty",
        lambda config, _shape, _device: config.penalty != "none",
    ),
    Rule(
        2,
        "real and generated images have a batch each",
        lambda config, shape, device: not has_independent_rows(config, shape, device),
    ),
)


def changed_rules(
    since: int | None, config: "LoopConfig", image_shape: "ImageShape", device: "torch.device"
) -> str | None:
    """Return the rules that changed after a version and concern a training; None if there are none.

    The rules are those of the built-in loop: they do not concern a user's own.

    Args:
        since: The version of the rules that a checkpoint or record holds; None if it holds none.
        config: The hyperparameters of the training.
        image_shape: Channels, height and width of its images.
        device: Its device.

    Returns:
        The rules, separated by commas.
    """
    if not isinstance(config, TrialConfig):
        return None
    newer = [rule for rule in RULES if rule.since > (since or 1)]
    return ", ".join(rule.what for rule in newer if rule.concerns(config, image_shape, device)) or None

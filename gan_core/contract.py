"""The contract of every combination of components, checked by training it briefly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from gan_core.architectures import ImageShape
from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.config import TrialConfig
from gan_core.discriminators import declared_independent, found_independent
from gan_core.errors import ContractError, in_one_line
from gan_core.noise import draw_noise
from gan_core.trainer import Trainer

STEPS, BATCH_SIZE = 20, 8
LEARNING_RATE = 1e-4
LARGE_NOISE_SCALE = 100.0
TOLERANCE = 1e-5


def check_contract(config: TrialConfig, image_shape: ImageShape) -> None:
    """Train a combination of components for 20 steps of 8 random images each, on the CPU, and check it.

    - The same seed always builds the same two networks.
    - The generator returns float32 images in [-1, 1] of ``image_shape`` for any noise, also after training.
    - The discriminator returns finite logits ``(N, 1)``; both losses and the penalty are finite scalars.
    - The logits of an image may depend on the other images of its batch, as with batch normalization, unless
      the architecture declares ``independent_rows = True``.
    - Every parameter of both networks gets a finite gradient, and training changes every weight matrix.
    - A trainer that is loaded from a checkpoint takes the same next step.

    Args:
        config: The combination and its hyperparameters. The check replaces the learning rates with 1e-4, so
            that no component fails because a rate is too high or too low.
        image_shape: Channels, height and width of the training images.

    Raises:
        ContractError: A component breaks the contract; the message names the component and the fault.
    """
    config = config.model_copy(update={"lr": LEARNING_RATE, "lr_d": config.lr_d and LEARNING_RATE})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        _Check(config, image_shape).run()


class _Check:
    """One run of the check, with the random generator for its images and noise."""

    def __init__(self, config: TrialConfig, image_shape: ImageShape) -> None:
        self._config = config
        self._shape = image_shape
        self._rng = torch.Generator().manual_seed(config.seed)
        self._architecture, self._loss, self._penalty = (
            _named(config, kind) for kind in ("architecture", "loss", "penalty")
        )
        self._combination = f"{self._architecture} with {self._loss} and {self._penalty}"

    def run(self) -> None:
        trainer = self._build()
        self._check_same(trainer, self._build())
        self._check_generator(trainer.generator)
        self._check_discriminator(trainer.discriminator)
        self._check_declared_rows()
        self._check_discriminator_loss(trainer)
        self._check_generator_loss(trainer)
        self._check_training(trainer)
        self._check_checkpoint(trainer)

    def _build(self) -> Trainer:
        with _errors_named(f"{self._architecture}: building its networks"):
            return Trainer(self._config, self._shape)

    def _check_same(self, first: Trainer, second: Trainer) -> None:
        for network in ("generator", "discriminator"):
            one, other = (getattr(trainer, network).state_dict() for trainer in (first, second))
            if one.keys() != other.keys() or not all(torch.equal(one[name], other[name]) for name in one):
                raise ContractError(
                    f"{self._architecture}: two {network}s built from one seed differ: draw initial weights"
                    f" with torch only"
                )

    def _check_generator(self, generator: nn.Module) -> None:
        for scale in (1.0, LARGE_NOISE_SCALE):
            with _errors_named(f"{self._architecture}: the generator"), torch.no_grad():
                images = generator(scale * self._noise(BATCH_SIZE))
            self._check_images(images)

    def _check_images(self, images: Tensor) -> None:
        who = f"{self._architecture}: the generator's output"
        _require_tensor(who, images, (BATCH_SIZE, *self._shape))
        low, high = images.min().item(), images.max().item()
        if max(-low, high) > 1 + TOLERANCE:
            raise ContractError(f"{who} must be in [-1, 1], got [{low:.3g}, {high:.3g}]")

    def _check_discriminator(self, discriminator: nn.Module) -> None:
        with _errors_named(f"{self._architecture}: the discriminator"), torch.no_grad():
            logits = discriminator(self._real(BATCH_SIZE))
        _require_tensor(f"{self._architecture}: the discriminator's output", logits, (BATCH_SIZE, 1))

    def _check_declared_rows(self) -> None:
        if not declared_independent(self._config):
            return
        if not found_independent(self._config, self._shape, torch.device("cpu")):
            raise ContractError(
                f"{self._architecture}: it declares independent_rows = True, but the discriminator's logits"
                " of an image depend on the other images of its batch: remove the declaration"
            )

    def _check_discriminator_loss(self, trainer: Trainer) -> None:
        real, network, who = (
            self._real(BATCH_SIZE),
            trainer.discriminator,
            f"{self._loss}: the discriminator's loss",
        )
        with torch.no_grad():
            fake = trainer.generator(self._noise(BATCH_SIZE))
        with _errors_named(who):
            loss = self._config.component("loss").discriminator(network(real), network(fake))
        self._check_loss(who, loss)
        self._check_gradients("discriminator", network, loss)
        with _errors_named(self._penalty):
            penalty = self._config.component("penalty")(network, real, fake, self._rng)
        if penalty is not None:
            self._check_loss(self._penalty, penalty)

    def _check_generator_loss(self, trainer: Trainer) -> None:
        chosen, who = self._config.component("loss"), f"{self._loss}: the generator's loss"
        real_logits = trainer.discriminator(self._real(BATCH_SIZE)) if chosen.generator_uses_real else None
        fake_logits = trainer.discriminator(trainer.generator(self._noise(BATCH_SIZE)))
        with _errors_named(who):
            loss = chosen.generator(real_logits, fake_logits)
        self._check_loss(who, loss)
        self._check_gradients("generator", trainer.generator, loss)

    def _check_loss(self, who: str, loss: Tensor) -> None:
        _require_tensor(who, loss, ())
        if not loss.requires_grad:
            raise ContractError(f"{who} has no gradient: compute it from the logits with torch operations")

    def _check_gradients(self, network: str, module: nn.Module, loss: Tensor) -> None:
        weights = dict(module.named_parameters())
        frozen = next((name for name, weight in weights.items() if not weight.requires_grad), None)
        if frozen:
            raise ContractError(
                f"{self._architecture}: the {network}'s parameter {frozen} is frozen: register it as a buffer"
            )
        gradients = torch.autograd.grad(loss, [*weights.values()], allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is None:
                raise ContractError(
                    f"{self._architecture}: the {network}'s output does not depend on its parameter {name}"
                )
            if not gradient.isfinite().all():
                raise ContractError(
                    f"{self._combination}: the gradient of the {network}'s parameter {name} is not finite"
                )

    def _check_training(self, trainer: Trainer) -> None:
        before, images = _weights_of(trainer), self._config.d_steps * BATCH_SIZE
        with _errors_named(f"{self._combination}: training"):
            for _ in range(STEPS):
                trainer.step(self._real(images), self._noise(images))
        for name, weight in _weights_of(trainer).items():
            if weight.dim() > 1 and torch.equal(weight, before[name]):
                raise ContractError(f"{self._combination}: {STEPS} training steps do not change {name}")
        with _errors_named(f"{self._architecture}: the generator in eval mode"):
            samples = trainer.generate(self._noise(BATCH_SIZE))
        self._check_images(samples)

    def _check_checkpoint(self, trainer: Trainer) -> None:
        restored, images = self._build(), self._config.d_steps * BATCH_SIZE
        with _errors_named(f"{self._architecture}: loading a checkpoint"), TemporaryDirectory() as folder:
            file = Path(folder) / "checkpoint"
            save_checkpoint(file, trainer.state_dict())
            restored.load_state_dict(load_checkpoint(file))
        real, noise = self._real(images), self._noise(images)
        for each in (trainer, restored):
            torch.default_generator.manual_seed(self._config.seed)
            each.step(real, noise)
        after = _weights_of(restored)
        for name, weight in _weights_of(trainer).items():
            if not torch.equal(weight, after[name]):
                raise ContractError(
                    f"{self._architecture}: after loading a checkpoint, a step updates {name} differently:"
                    " keep all state in parameters and buffers"
                )

    def _real(self, n: int) -> Tensor:
        return torch.rand(n, *self._shape, generator=self._rng) * 2 - 1

    def _noise(self, n: int) -> Tensor:
        return draw_noise(self._config, n, self._rng)


def _named(config: TrialConfig, kind: str) -> str:
    """Return a component for messages: ``architecture 'mine:Wide' with width 32``."""
    parameters = config.parameters_of_component(kind).items()
    values = ", ".join(f"{name} {value!r}" for name, value in parameters)
    return f"{kind} {getattr(config, kind)!r}" + (f" with {values}" if values else "")


@contextmanager
def _errors_named(who: str) -> Iterator[None]:
    """Re-raise any exception of the block as a ContractError that names its source."""
    try:
        yield
    except Exception as error:
        raise ContractError(f"{who} raised {in_one_line(error)}") from error


def _require_tensor(who: str, value: object, shape: tuple[int, ...]) -> None:
    """Raise ContractError unless ``value`` is a finite float32 tensor of this shape."""
    found = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    needed = f"{torch.float32} {shape}"
    if found != needed:
        raise ContractError(f"{who} must be {needed}, got {found}")
    if isinstance(value, Tensor) and not value.isfinite().all():
        raise ContractError(f"{who} must be finite, got NaN or infinite values")


def _weights_of(trainer: Trainer) -> dict[str, Tensor]:
    return {
        f"the {network}'s {name}": weight.detach().clone()
        for network in ("generator", "discriminator")
        for name, weight in getattr(trainer, network).named_parameters()
    }

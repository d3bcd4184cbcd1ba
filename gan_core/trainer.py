"""One step of adversarial training."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from gan_core.adam import Adam
from gan_core.architectures import ImageShape
from gan_core.average import MovingAverage
from gan_core.captured import CapturedSteps
from gan_core.choices import Precision
from gan_core.config import TrialConfig
from gan_core.discriminators import add_spectral_norm, has_independent_rows, last_layer
from gan_core.divergence import DivergenceGuard
from gan_core.flags import VANISHING_GRADIENT_RATIO
from gan_core.gradients import mean_logits
from gan_core.graphs import graph_for
from gan_core.noise import restore_rng, rng_for
from gan_core.precision import (
    autocast_for,
    float32_precision,
    keep_in_float32,
    resolve_precision,
)

GENERATION_BATCH = 250


class Trainer:
    """A generator, a discriminator, their optimizers, and one step of adversarial training.

    The step computes the same losses and weights as the tutorial's, without its redundant work: the
    generator runs once per step, and no unused gradient is computed. Two differences are deliberate. The
    generator updates its running statistics of batch normalization once per step, not twice. If an image's
    logits do not depend on the other images of its batch, the discriminator receives real and generated
    images as one batch (see :func:`gan_core.discriminators.has_independent_rows`).

    Args:
        config: The hyperparameters.
        image_shape: Channels, height and width.
        device: The device of the networks.
        dtype: The dtype of the weights; ``config.precision`` applies only to float32.

    Attributes:
        generator: Maps noise ``(N, noise_dim)`` to images ``(N, C, H, W)``.
        discriminator: Maps images to logits: ``(N, 1)``, or several for each image.
        steps_taken: The number of completed steps.
    """

    def __init__(
        self,
        config: TrialConfig,
        image_shape: ImageShape,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._config = config
        channels, height, width = image_shape
        self._image_shape: ImageShape = (channels, height, width)
        self._device = torch.device(device)
        self._dtype = dtype
        architecture = config.component("architecture")
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)
            discriminator = architecture.discriminator(config, image_shape)
            self._generators_rng_state = torch.get_rng_state()
            generator = architecture.generator(config, image_shape)
            if config.spectral_norm:
                add_spectral_norm(discriminator)
        self.discriminator, self.generator = self._to_device(discriminator), self._to_device(generator)
        self._ema = MovingAverage(self._new_generator(), config.ema_decay) if config.ema_decay else None
        self._loss = config.component("loss")
        self._penalty = config.component("penalty")
        self._penalty_rng = rng_for("penalty", config.seed, device)
        self._guard = DivergenceGuard(self._device)
        self._d_optimizer = self._adam(self.discriminator, config.lr_d or config.lr)
        self._g_optimizer = self._adam(self.generator, config.lr)
        chosen: Precision = config.precision if dtype == torch.float32 else "fp32"
        self._precision = resolve_precision(chosen, self._device)
        self._g_forward = autocast_for(self._precision, self._device, self.generator)
        self._logits_separated = torch.zeros((), dtype=torch.bool, device=self._device)
        self._g_gradient_norm = torch.zeros((), dtype=dtype, device=self._device)
        self._max_g_gradient_norm = torch.zeros((), dtype=dtype, device=self._device)
        self._captured = self._new_captured_steps()
        self.steps_taken = 0

    @property
    def fallback(self) -> str | None:
        """Why no CUDA graph replays the steps although ``cuda_graphs`` is ``auto``; otherwise None."""
        return self._captured.fallback if self._captured else None

    @property
    def sampling_generator(self) -> nn.Module:
        """The network with the weights to sample from: the EMA if ``ema_decay`` is set, or the generator."""
        return self._ema.network if self._ema else self.generator

    @property
    def discriminator_won(self) -> bool:
        """Whether the last step's logits separate all images and the generator's gradient vanished."""
        return bool(
            self._logits_separated
            & (self._g_gradient_norm < VANISHING_GRADIENT_RATIO * self._max_g_gradient_norm)
        )

    def step(self, real: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Update the discriminator ``d_steps`` times, then the generator once, on the last update's noise.

        Args:
            real: Real images in [-1, 1], shape ``(d_steps * N, C, H, W)``.
            noise: The generator's noise, shape ``(d_steps * N, noise_dim)``.

        Returns:
            The :data:`gan_core.step_metrics.STEP_METRICS` of the last update, each of shape ``()``. With
            ``cuda_graphs``, the next step overwrites them.

        Raises:
            ValueError: The tensors do not have these shapes or the trainer's ``dtype``.
            TrainingDiverged: A loss or gradient is not finite; the update with it and all later ones are
                skipped. On a GPU, only :meth:`check` raises it, so that steps need not synchronize.
        """
        self._check_batch(real, noise)
        self._guard.start_step(self.steps_taken + 1)
        weight = self._ema.weight_at(self.steps_taken + 1) if self._ema else 0.0
        if self._captured:
            metrics = self._captured.step(self._update_all, real, noise, weight)
        else:
            metrics = self._update_all(real, noise, weight)
        self.steps_taken += 1
        if self._device.type == "cpu":
            self.check()
        return metrics

    def check(self) -> None:
        """Raise TrainingDiverged if a loss or gradient of any step so far was not finite."""
        self._guard.check()

    def fake_images(self, noise: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` for noise ``(N, noise_dim)``, with the autocast of a step."""
        with self._g_forward:
            images: Tensor = self.generator(noise)
        return images.to(self._dtype)

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of images ``(N, C, H, W)``, with the autocast of a step."""
        with self._d_forward:
            logits: Tensor = self.discriminator(images)
        return logits.to(self._dtype)

    def generate(self, noise: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` in [-1, 1] for noise ``(N, noise_dim)``, in eval mode."""
        return torch.cat([*self.sample_batches(noise)]).clamp(-1, 1)

    def sample_batches(self, noise: Tensor, weights: Mapping[str, Any] | None = None) -> Iterator[Tensor]:
        """Yield the generator's output for noise ``(N, noise_dim)``, 250 at a time, in eval mode.

        Args:
            noise: The noise.
            weights: The generator's state dict; by default, that of :attr:`sampling_generator`.
        """
        self._sampler.load_state_dict(weights or self.sampling_generator.state_dict())
        yield from generate_batches(self._sampler, noise)

    def state_dict(self) -> dict[str, Any]:
        """Return the whole training state, for :meth:`load_state_dict`."""
        return {
            **{name: part.state_dict() for name, part in self._parts().items()},
            "penalty_rng": self._penalty_rng.get_state(),
            "largest_gradient": self._max_g_gradient_norm.clone(),
            "steps_taken": self.steps_taken,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a copy of the state that :meth:`state_dict` of a trainer with the same config returned.

        The hyperparameters in ``config.changeable`` may differ: this trainer keeps its own.
        The state is copied because PyTorch's optimizers would modify its tensors in place.
        """
        for name, part in self._parts().items():
            part.load_state_dict(deepcopy(state[name]))
        self._set_adam(self._d_optimizer, self._config.lr_d or self._config.lr)
        self._set_adam(self._g_optimizer, self._config.lr)
        self._max_g_gradient_norm.copy_(state["largest_gradient"])
        self.steps_taken = state["steps_taken"]
        restore_rng(self._penalty_rng, state["penalty_rng"], "penalty", self._config.seed, self.steps_taken)
        self._captured = self._new_captured_steps()

    def _check_batch(self, real: Tensor, noise: Tensor) -> None:
        n, d_steps = len(real), self._config.d_steps
        if n == 0 or n % d_steps:
            raise ValueError(f"the number of real images must be a multiple of d_steps, {d_steps}; got {n}")
        if noise.shape != (n, self._config.noise_dim):
            raise ValueError(
                f"the noise for {n} real images must have shape ({n}, {self._config.noise_dim}), got"
                f" {tuple(noise.shape)}"
            )
        if real.shape[1:] != self._image_shape:
            raise ValueError(
                f"the real images must have shape {(n, *self._image_shape)}, got {tuple(real.shape)}"
            )
        for name, tensor in {"real images": real, "noise": noise}.items():
            if tensor.dtype != self._dtype:
                raise ValueError(f"the {name} must have dtype {self._dtype}, got {tensor.dtype}")

    def _new_captured_steps(self) -> CapturedSteps | None:
        """Return steps that replay a new graph, if the config asks for one and the device has graphs.

        A graph repeats its work on the tensors of its capture, with the learning rates of its capture. A
        state that is loaded replaces those of the optimizers.
        """
        if self._config.cuda_graphs == "off":
            return None
        graph = graph_for(self._device, [self._penalty_rng])
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        return CapturedSteps(self._config, networks, graph) if graph else None

    def _update_all(self, real: Tensor, noise: Tensor, weight: float | Tensor) -> dict[str, Tensor]:
        """Update both networks, and the average with the generator's ``weight`` in it.

        Whatever changes from step to step is an argument or a tensor that is changed in place, and nothing
        waits for the device, so that a CUDA graph can repeat the update.
        """
        with float32_precision(self._precision, self._device):
            metrics = self._updates(real, noise)
        if self._ema:
            self._ema.update(self.generator, weight)
        return metrics

    def _updates(self, real: Tensor, noise: Tensor) -> dict[str, Tensor]:
        *earlier, (last_real, last_noise) = zip(
            real.chunk(self._config.d_steps), noise.chunk(self._config.d_steps), strict=True
        )
        for real_batch, noise_batch in earlier:
            with torch.no_grad():
                fake = self.fake_images(noise_batch)
            self._update_discriminator(real_batch, fake)
        fake = self.fake_images(last_noise)
        d_metrics = self._update_discriminator(last_real, fake.detach())
        return d_metrics | self._update_generator(last_real, fake)

    @cached_property
    def _d_forward(self) -> AbstractContextManager[None]:
        """The autocast of the discriminator's forward pass, from which the last layer is then exempt."""
        if self._precision == "bf16":
            last = last_layer(self._config, self._image_shape, self._device)
            if last is not None:
                keep_in_float32(self.discriminator.get_submodule(last), self._device)
        return autocast_for(self._precision, self._device, self.discriminator)

    @cached_property
    def _shares_batches(self) -> bool:
        """Whether the discriminator receives real and generated images in one batch."""
        return has_independent_rows(self._config, self._image_shape, self._device)

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        ema = {"average": self._ema.network} if self._ema else {}
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "g_optimizer": self._g_optimizer,
            "d_optimizer": self._d_optimizer,
            **ema,
        }

    @cached_property
    def _sampler(self) -> nn.Module:
        """A generator in eval mode, to sample from without a change of the networks in training."""
        return self._new_generator().eval()

    def _new_generator(self) -> nn.Module:
        """Build the initial generator again: ``deepcopy`` fails for legacy ``spectral_norm``, for example."""
        with torch.random.fork_rng(devices=[]), torch.inference_mode(mode=False):
            torch.set_rng_state(self._generators_rng_state)
            network = self._config.component("architecture").generator(self._config, self._image_shape)
        return self._to_device(network)

    def _to_device(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, in channels-last layout, which is faster for convolutions."""
        where: dict[str, Any] = {"device": self._device, "dtype": self._dtype}
        return network.to(**where, memory_format=torch.channels_last)

    def _adam(self, network: nn.Module, lr: float) -> Adam:
        """Return an optimizer that skips updates after the guard found a loss or gradient not finite."""
        trained = [weight for weight in network.parameters() if weight.requires_grad]
        optimizer = Adam(trained, fused=True)
        optimizer.found_inf = self._guard.found  # type: ignore[attr-defined] # as torch.amp.GradScaler does
        self._set_adam(optimizer, lr)
        return optimizer

    def _set_adam(self, optimizer: Adam, lr: float) -> None:
        for group in optimizer.param_groups:
            group |= {
                "lr": lr,
                "betas": (self._config.beta1, self._config.beta2),
                "capturable": self._device.type == "cuda",
            }

    def _logits_of_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        if self._shares_batches:
            real_logits, fake_logits = self.logits(torch.cat([real, fake])).split([len(real), len(fake)])
            return real_logits, fake_logits
        return self.logits(real), self.logits(fake)

    def _update_discriminator(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        real_logits, fake_logits = self._logits_of_both(real, fake)
        loss = self._loss.discriminator(real_logits, fake_logits)
        penalty = self._penalty(self.discriminator, real, fake, self._penalty_rng)
        penalized = loss if penalty is None else loss + self._config.penalty_weight * penalty
        real_logits, fake_logits = mean_logits(real_logits.detach()), mean_logits(fake_logits.detach())
        torch.gt(real_logits.min(), fake_logits.max(), out=self._logits_separated)
        return {
            "d_loss": loss.detach(),
            "d_penalty": torch.zeros_like(loss) if penalty is None else penalty.detach(),
            "d_logit_real": real_logits.mean(),
            "d_logit_fake": fake_logits.mean(),
            "d_grad_norm": self._update("d", penalized, self._d_optimizer),
        }

    def _update_generator(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        if self._loss.generator_uses_real:
            real_logits, fake_logits = self._logits_of_both(real, fake)
        else:
            real_logits, fake_logits = None, self.logits(fake)
        loss = self._loss.generator(real_logits, fake_logits)
        norm = self._update("g", loss, self._g_optimizer)
        self._g_gradient_norm.copy_(norm)
        torch.maximum(self._max_g_gradient_norm, norm, out=self._max_g_gradient_norm)
        return {"g_loss": loss.detach(), "g_grad_norm": norm}

    def _update(self, network: str, loss: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        """Take one optimizer step and return the norm of the gradient, shape ``()``."""
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        optimizer.zero_grad()
        loss.backward(inputs=weights)
        norm = get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        self._guard.watch(network, loss, norm)
        optimizer.step()
        return norm


def generate_batches(generator: nn.Module, noise: Tensor) -> Iterator[Tensor]:
    """Yield images of noise ``(N, noise_dim)``, 250 at a time, in float32.

    The images are no inference tensors, even if the caller asks for them in ``torch.inference_mode``: a
    generator may keep a tensor for its next call, which may be a step of a training.
    """
    for batch in noise.split(GENERATION_BATCH):
        with torch.inference_mode(mode=False), torch.no_grad(), float32_precision("fp32", noise.device):
            images: Tensor = generator(batch)
        yield images

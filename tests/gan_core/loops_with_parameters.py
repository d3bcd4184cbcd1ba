"""Training loops with hyperparameters of their own, for tests."""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from gan_core import Changeable, LoopConfig, Snapshot


class Config(LoopConfig):
    """The hyperparameters of a loop, with a rule for two of them."""

    lr: Annotated[float, Changeable] = Field(2e-4, gt=0)
    gamma: float = Field(1.0, ge=0)
    width: Literal[32, 64, 128] = 64
    depth: int = 1
    batch_size: int = Field(32, ge=1)

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.width * self.depth > 128:
            raise ValueError("the network is too large")
        return self


class WithAList(LoopConfig):
    betas: list[float] = Field([0.5, 0.9])


def train(config: Config, data, device, state=None):
    """Move a generator towards the mean image."""
    layers = [nn.Linear(8, config.width), nn.ReLU(), nn.Linear(config.width, 784)]
    generator = nn.Sequential(*layers, nn.Tanh(), nn.Unflatten(1, data.image_shape)).to(device)
    optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr)
    batches = data.batches(config.batch_size, config.seed, device)
    start = 0
    if state is not None:
        generator.load_state_dict(state["generator"])
        optimizer.load_state_dict(state["optimizer"])
        batches.load_state_dict(state["batches"])
        start = state["step"]
    for group in optimizer.param_groups:
        group["lr"] = config.lr

    def sample(n, rng):
        return generator(torch.randn(n, 8, generator=rng).to(device))

    for step in range(start + 1, config.steps + 1):
        real, _ = next(batches)
        fake = generator(torch.randn(config.batch_size, 8, device=device))
        loss = config.gamma * (real.mean(0) - fake.mean(0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % config.report_every == 0 or step == config.steps:
            yield Snapshot(
                step,
                sample,
                generator=generator,
                metrics={"mean_loss": loss.detach()},
                state=lambda step=step: {
                    "step": step,
                    "generator": generator.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "batches": batches.state_dict(),
                },
            )


def train_without_state(config: Config, data, device):
    """Yield images of noise."""
    yield Snapshot(config.steps, lambda n, rng: torch.rand(n, *data.image_shape, generator=rng))


def of_a_bad_config(config: WithAList, data, device):
    yield


def without_config(config, data, device):
    yield


def no_generator(config: Config, data, device):
    return None


class Contradicting(LoopConfig):
    low: int = 3
    high: int = 2

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def of_contradicting_defaults(config: Contradicting, data, device):
    yield

"""Small training loops for tests."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from gan_core import Changeable, LoopConfig, Snapshot

SMALL = {"steps": 5, "report_every": 2, "eval_samples": 128, "final_samples": 150}


class Config(LoopConfig):
    lr: Annotated[float, Changeable] = Field(1e-3, gt=0)
    batch_size: int = 16


def network(image_shape):
    return nn.Sequential(nn.Linear(8, 784), nn.Tanh(), nn.Unflatten(1, image_shape))


def moments(config: Config, data, device, state=None):
    """Match the mean image, with an optimizer, noise from the global random state, and a full state."""
    generator = network(data.image_shape).to(device)
    optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr)
    batches = data.batches(config.batch_size, config.seed, device)
    start = 0
    if state:
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
        loss = (real.mean(0) - fake.mean(0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % config.report_every == 0 or step == config.steps:
            yield Snapshot(
                step,
                sample,
                generator=generator,
                metrics={"loss": loss.detach()},
                state=lambda step=step: {
                    "step": step,
                    "generator": generator.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "batches": batches.state_dict(),
                },
            )

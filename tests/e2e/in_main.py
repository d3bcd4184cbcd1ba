"""A script with a training loop of its own, which it sends to the workers of a sweep."""

from __future__ import annotations

import sys

import helping
import torch
from pydantic import Field
from torch import nn

import gan_core
import sweeps

SMALL = {"steps": 4, "report_every": 2, "eval_samples": 128, "final_samples": 128}


class Config(gan_core.LoopConfig):
    lr: float = Field(1e-2, gt=0)


class Network(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 784), nn.Tanh(), nn.Unflatten(1, shape))

    def forward(self, noise):
        return self.layers(noise)


def train(config: Config, data, device, state=None):
    network = Network(data.image_shape).to(device)
    adam, batches = torch.optim.Adam(network.parameters(), config.lr), data.batches(16, config.seed, device)
    parts, (start, saved) = [network, adam, batches], state or (0, [])
    for part, its in zip(parts, saved, strict=False):
        part.load_state_dict(its)

    def sample(n, rng):
        return network(torch.randn(n, 8, generator=rng).to(device))

    for step in range(start + 1, config.steps + 1):
        loss = helping.distance(network(torch.randn(16, 8, device=device)), next(batches).images)
        adam.zero_grad(), loss.backward(), adam.step()
        if config.reports_at(step):
            state = step, [part.state_dict() for part in parts]
            yield gan_core.Snapshot(step, sample, network, {"loss": loss.detach()}, lambda state=state: state)


if __name__ == "__main__":
    digits = gan_core.load_dataset("mnist-5k")
    *_, last = gan_core.train(Config(**SMALL), digits, loop=train)
    space = {"name": "sent", "trials": 1, "parameters": SMALL | {"lr": {"values": [1e-2, 3e-2]}}}
    swept = sweeps.run(space, train=train)
    swept = sweeps.resume("sent", overrides={"trials": 2}, quiet=True)
    images = swept.generator(allow_imports=True).sample(2)
    sys.stdout.write(f"{last.final['fid']} {len(swept.trials)} {tuple(images.shape)}")

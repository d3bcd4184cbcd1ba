"""Training loops, for tests of what a sweep keeps of them and exports."""

import torch
from torch import nn

from gan_core import LoopConfig, Snapshot


class Config(LoopConfig):
    noise: float = 0.3


class Around(nn.Module):
    """Images around the mean image: good ones with the weight 1, and grey ones with the weight 0."""

    def __init__(self, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, noise):
        return (self.weight * (self.mean + noise)).clamp(-1, 1)


def snapshots(config, data, mean, start, **options):
    """Yield snapshots that become worse from step to step."""
    generator, shape = Around(mean), data.image_shape

    def sample(n, rng):
        return generator(config.noise * torch.randn(n, *shape, generator=rng))

    for step in range(start + 1, config.steps + 1):
        with torch.no_grad():
            generator.weight.fill_(1 / step + config.seed % 97 / 1000)
        if config.reports_at(step):
            yield sample, generator, step


def mean_of(data):
    return data.train[:100].float().mean(0) / 127.5 - 1


def train(config: Config, data, device, state=None):
    """Keep the mean image in the generator."""
    for sample, generator, step in snapshots(config, data, mean_of(data), state or 0):
        yield Snapshot(step, sample, generator, {"weight": generator.weight.detach()}, lambda step=step: step)


def without_generator(config: Config, data, device, state=None):
    """Yield a state and no generator."""
    start = state["step"] if state else 0
    for sample, generator, step in snapshots(config, data, mean_of(data), start):
        kept = {"step": step, "weights": generator.state_dict()}
        yield Snapshot(step, sample, state=lambda kept=kept: kept)

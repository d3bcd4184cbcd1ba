"""A small flow-matching model (arXiv:2210.02747), which is no GAN: scores need nothing but samples."""

from copy import deepcopy

import torch
from pydantic import Field
from torch import nn

import gan_core


class Config(gan_core.LoopConfig):
    lr: float = Field(1e-3, gt=0)
    batch_size: int = Field(128, ge=2)
    width: int = Field(512, ge=8)
    ema_decay: float = Field(0.99, ge=0, lt=1)
    sampling_steps: int = Field(20, ge=1, le=200)


class Velocity(nn.Module):
    """Predict the velocity of images at a time in [0, 1] on their way from noise to data."""

    def __init__(self, pixels, width):
        super().__init__()
        layers = [nn.Linear(pixels + 16, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, pixels))

    def forward(self, images, time):
        angles = time[:, None] * torch.arange(1, 9, device=time.device) * torch.pi
        features = torch.cat([images.flatten(1), angles.sin(), angles.cos()], 1)
        return self.layers(features).view_as(images)


def train(config: Config, data: gan_core.ImageDataset, device: torch.device, state=None):
    model = Velocity(data.train[0].numel(), config.width).to(device)
    average, adam = deepcopy(model), torch.optim.Adam(model.parameters(), config.lr)
    batches = data.batches(config.batch_size, config.seed, device)
    parts, (start, saved) = [model, average, adam, batches], state or (0, [])
    for part, its in zip(parts, saved, strict=False):
        part.load_state_dict(its)

    def sample(n, rng):
        images = torch.randn(n, *data.image_shape, generator=rng).to(device)
        for time in torch.arange(config.sampling_steps, device=device) / config.sampling_steps:
            images = images + average(images, time.expand(n)) / config.sampling_steps
        return images.clamp(-1, 1)

    for step in range(start + 1, config.steps + 1):
        real = next(batches).images
        noise, time = torch.randn_like(real), torch.rand(len(real), device=device)
        on_the_way = noise.lerp(real, time.view(-1, 1, 1, 1))
        loss = (model(on_the_way, time) - (real - noise)).square().mean()
        adam.zero_grad(), loss.backward(), adam.step()
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(weight, 1 - config.ema_decay)
        if config.reports_at(step):
            state = step, [part.state_dict() for part in parts]
            yield gan_core.Snapshot(step, sample, average, {"loss": loss.detach()}, lambda state=state: state)

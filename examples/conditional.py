"""A class-conditional GAN with the hinge loss and a projection discriminator (arXiv:1802.05637)."""

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import relu

import gan_core


class Config(gan_core.LoopConfig):
    lr: float = Field(2e-4, gt=0)
    batch_size: int = Field(64, ge=2)
    noise_dim: int = Field(64, ge=1)


class Generator(nn.Module):
    def __init__(self, noise_dim, classes, shape):
        super().__init__()
        self.of_class, self.shape = nn.Embedding(classes, noise_dim), shape
        self.layers = nn.Sequential(nn.Linear(2 * noise_dim, 512), nn.ReLU(), nn.Linear(512, shape.numel()))

    def forward(self, noise, labels):
        features = torch.cat([noise, self.of_class(labels)], 1)
        return self.layers(features).tanh().view(-1, *self.shape)


class Discriminator(nn.Module):
    def __init__(self, classes, shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(shape.numel(), 256), nn.LeakyReLU(0.2))
        self.last, self.of_class = nn.Linear(256, 1), nn.Embedding(classes, 256)

    def forward(self, images, labels):
        features = self.layers(images)
        return self.last(features).squeeze(1) + (self.of_class(labels) * features).sum(1)


def train(config: Config, data: gan_core.ImageDataset, device: torch.device, state=None):
    classes, shape = int(data.train_labels.max()) + 1, data.train[0].shape
    G = Generator(config.noise_dim, classes, shape).to(device)
    D = Discriminator(classes, shape).to(device)
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), config.lr, (0.0, 0.99)) for net in (G, D))
    batches = data.batches(config.batch_size, config.seed, device)
    parts, (start, saved) = [G, D, g_adam, d_adam, batches], state or (0, [])
    for part, its in zip(parts, saved, strict=False):
        part.load_state_dict(its)

    for step in range(start + 1, config.steps + 1):
        real, labels = next(batches)
        fake = G(torch.randn(len(real), config.noise_dim, device=device), labels)
        d_loss = relu(1 - D(real, labels)).mean() + relu(1 + D(fake.detach(), labels)).mean()
        d_adam.zero_grad(), d_loss.backward(), d_adam.step()
        g_loss = -D(fake, labels).mean()
        g_adam.zero_grad(), g_loss.backward(), g_adam.step()
        if config.reports_at(step):
            sample = lambda n, rng, y: G(torch.randn(n, config.noise_dim, generator=rng).to(device), y)
            metrics = {"d_loss": d_loss.detach(), "g_loss": g_loss.detach()}
            state = step, [part.state_dict() for part in parts]
            yield gan_core.Snapshot(step, sample, G, metrics, lambda state=state: state)

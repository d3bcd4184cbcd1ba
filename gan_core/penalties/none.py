"""No penalty."""

from torch import Generator, Tensor, nn

from gan_core.penalties import penalties


@penalties.register("none")
def none(discriminator: nn.Module, real: Tensor, fake: Tensor, rng: Generator) -> None:
    """Return None: no penalty."""

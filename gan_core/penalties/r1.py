"""The R1 penalty."""

from torch import Generator, Tensor, nn

from gan_core.gradients import image_gradients
from gan_core.penalties import penalties


@penalties.register("r1")
def r1(discriminator: nn.Module, real: Tensor, fake: Tensor, rng: Generator) -> Tensor:
    r"""Pull gradients at real images to 0 (Mescheder et al., 2018, arXiv:1801.04406).

    .. math:: \tfrac12 E[|\nabla D(x)|^2]

    The paper has the factor 1/2 and the weight :math:`\gamma = 10`.
    """
    return 0.5 * image_gradients(discriminator, real).square().sum(1).mean()

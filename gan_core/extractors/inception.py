"""The extractor ``inception``: Inception v3 with the weights of published scores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from gan_core.errors import ExtractorUnavailableError
from gan_core.extractors import Extractor, extractors
from gan_core.images import to_uint8

WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@extractors.register("inception")
class Inception(Extractor):
    """The 2,048 features of Inception v3 (Szegedy et al., 2016, arXiv:1512.00567), through torchmetrics.

    torch-fidelity unpickles the weights, which could run code: ``_weights_only`` makes torch refuse that.
    """

    def network(self, weights: bytes | None) -> nn.Module:
        """Return the network: 2,048 features of grey or colour images of any size.

        Raises:
            ExtractorUnavailableError: torch-fidelity or the weights are missing.
        """
        del weights
        try:
            from torchmetrics.image.fid import NoTrainInceptionV3

            with redirect_stdout(StringIO()), _weights_only():
                network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
        except ModuleNotFoundError:
            raise ExtractorUnavailableError(
                "extractor inception: run pip install torch-fidelity, or use extractor: classifier"
            ) from None
        except (OSError, RuntimeError, UnpicklingError) as error:
            folder = Path(torch.hub.get_dir()) / "checkpoints"
            raise ExtractorUnavailableError(
                f"extractor inception: its weights are not in {folder} and cannot be downloaded"
                f" ({str(error).splitlines()[0]}); copy them there, or use extractor: classifier"
            ) from None
        network.register_forward_pre_hook(_as_inception_takes_them)
        return network


def _as_inception_takes_them(_network: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """Return images in [-1, 1] as uint8 images of three channels."""
    (images,) = arguments
    return (to_uint8(images).expand(-1, 3, -1, -1),)


@contextmanager
def _weights_only() -> Iterator[None]:
    before = os.environ.get(WEIGHTS_ONLY)
    os.environ[WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        del os.environ[WEIGHTS_ONLY]
        if before is not None:
            os.environ[WEIGHTS_ONLY] = before

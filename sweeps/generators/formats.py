"""Write generators in formats that other programs load: ONNX and torch.export's pt2."""

import warnings
from collections.abc import Callable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gan_core.errors import allowed_and_closest, in_one_line
from sweeps.errors import SweepError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gan_core import Generator

WEIGHTS = "generator.safetensors"
"""The file of the weights, which every export has."""

TOLERANCE = 1e-3
"""The largest difference from the original's pixel values, in [-1, 1]: an eighth of a grey level."""

NEEDED_FOR_ONNX = ("onnx", "onnxscript", "onnxruntime")
EXPORT_BATCH, CHECK_BATCHES = 2, (1, 5)
"""Batch sizes: one for the export, and others for the check, because files promise any batch size."""


class ModelFormat(StrEnum):
    """A format for a generator, beside the safetensors of its weights."""

    ONNX = "onnx"
    PT2 = "pt2"

    @classmethod
    def named(cls, name: str) -> "ModelFormat":
        """Return the format of this name.

        Raises:
            SweepError: No format has this name; the message lists the names.
        """
        if name == "torchscript":
            raise SweepError(
                "--format torchscript is gone, because PyTorch deprecates TorchScript: type --format pt2 for"
                " torch.export.load, or --format onnx for ONNX Runtime"
            )
        if name not in [*cls]:
            raise SweepError(f"--format {name}: {allowed_and_closest(name, map(str, cls))}")
        return cls(name)

    @property
    def file(self) -> str:
        """The file's name."""
        return f"generator.{self}"

    @property
    def is_code(self) -> bool:
        """Whether a file of this format can run code when a program loads it."""
        return self is ModelFormat.PT2

    @property
    def snippet(self) -> str:
        """Python that loads the file and makes images from ``noise``, float32 ``(N, noise_dim)``."""
        return {
            "onnx": f'session = onnxruntime.InferenceSession("{self.file}")\n'
            'images = session.run(None, {"noise": noise.numpy()})[0]',
            "pt2": f'images = torch.export.load("{self.file}").module()(noise)',
        }[self]


def check_installed(model_format: ModelFormat) -> None:
    """Check that the packages that a format needs are installed.

    Raises:
        SweepError: A package is missing.
    """
    missing = [name for name in NEEDED_FOR_ONNX if find_spec(name) is None]
    if model_format is ModelFormat.ONNX and missing:
        raise SweepError(f"--format onnx needs {' and '.join(missing)}: pip install 'gan-sweep[onnx]'")


def write_format(generator: "Generator", model_format: ModelFormat, folder: Path) -> Path:
    """Write a generator, load the file again and compare the images; return the file.

    The file maps noise, float32 ``(N, noise_dim)``, to images in [-1, 1], ``(N, C, H, W)``.

    Raises:
        SweepError: The format cannot express the generator, or the file makes other images.
    """
    import torch

    from gan_core import Generator

    weights = generator.network.state_dict()
    copy = Generator(generator.config, generator.image_shape, weights)
    copy.to(memory_format=torch.contiguous_format)
    file = folder / model_format.file
    write, load = _WRITERS[model_format], _LOADERS[model_format]
    try:
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            write(copy, generator.noise(EXPORT_BATCH), file)
            loaded = load(file)
            noises = [generator.noise(n, seed=n) for n in CHECK_BATCHES]
            difference = max(float((loaded(noise) - generator(noise)).abs().max()) for noise in noises)
    except Exception as error:
        raise SweepError(
            f"--format {model_format} cannot express this generator: {in_one_line(error)}"
        ) from error
    if not difference <= TOLERANCE:
        raise SweepError(
            f"--format {model_format} does not reproduce this generator: the images of the file differ by"
            f" {difference:.2g} from the original's; {TOLERANCE:g} is allowed"
        )
    return file


def _write_onnx(network: "nn.Module", noise: "Tensor", file: Path) -> None:
    import torch

    torch.onnx.export(
        network,
        (noise,),
        file,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["noise"],
        output_names=["images"],
        external_data=False,
        verbose=False,
    )


def _write_pt2(network: "nn.Module", noise: "Tensor", file: Path) -> None:
    import torch

    batch = torch.export.Dim("batch")
    torch.export.save(torch.export.export(network, (noise,), dynamic_shapes=({0: batch},)), file)


def _load_onnx(file: Path) -> "Callable[[Tensor], Tensor]":
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda noise: torch.from_numpy(session.run(None, {"noise": noise.numpy()})[0])


def _load_pt2(file: Path) -> "Callable[[Tensor], Tensor]":
    import torch

    return torch.export.load(file).module()


_WRITERS: "dict[ModelFormat, Callable[[nn.Module, Tensor, Path], None]]" = {
    ModelFormat.ONNX: _write_onnx,
    ModelFormat.PT2: _write_pt2,
}
_LOADERS: "dict[ModelFormat, Callable[[Path], Callable[[Tensor], Tensor]]]" = {
    ModelFormat.ONNX: _load_onnx,
    ModelFormat.PT2: _load_pt2,
}

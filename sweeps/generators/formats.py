"""A generator in formats that other programs load: TorchScript, ONNX and torch.export's."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gan_core import Generator

TOLERANCE = 1e-3
"""How far an image's values, in [-1, 1], may be from the original's: an eighth of a grey level."""

NEEDED_FOR_ONNX = ("onnx", "onnxscript", "onnxruntime")
TRACED_WITH, COMPARED_WITH = 2, (1, 5)
"""Batch sizes: one for the trace, and others, as a batch of any size is promised."""


class ModelFormat(StrEnum):
    """What a generator is written as, beside its weights."""

    TORCHSCRIPT = "torchscript"
    ONNX = "onnx"
    PT2 = "pt2"

    @property
    def file(self) -> str:
        """The name of its file."""
        return {"torchscript": "generator.pt", "onnx": "generator.onnx", "pt2": "generator.pt2"}[self]

    @property
    def is_code(self) -> bool:
        """Whether loading a file of it may run code that the file holds."""
        return self is not ModelFormat.ONNX

    @property
    def snippet(self) -> str:
        """Python that loads the file and makes images of ``noise``, float32 ``(N, noise_dim)``."""
        return {
            "torchscript": f'images = torch.jit.load("{self.file}")(noise)',
            "onnx": f'session = onnxruntime.InferenceSession("{self.file}")\n'
            'images = session.run(None, {"noise": noise.numpy()})[0]',
            "pt2": f'images = torch.export.load("{self.file}").module()(noise)',
        }[self]


def check_installed(model_format: ModelFormat) -> None:
    """Check, before anything is written, that what a format needs is installed.

    Raises:
        SweepError: It is not.
    """
    missing = [name for name in NEEDED_FOR_ONNX if find_spec(name) is None]
    if model_format is ModelFormat.ONNX and missing:
        raise SweepError(f"--format onnx needs {' and '.join(missing)}: pip install 'gan-sweep[onnx]'")


def write_format(generator: "Generator", model_format: ModelFormat, folder: Path) -> Path:
    """Write a generator, from noise ``(N, noise_dim)`` to images in [-1, 1]; load it again and compare.

    Raises:
        SweepError: The format cannot express the generator, or what was written makes other images.
    """
    import torch

    network = deepcopy(generator.network).to(memory_format=torch.contiguous_format)
    file = folder / model_format.file
    try:
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            _WRITERS[model_format](network, generator.noise(TRACED_WITH), file)
            load = _LOADERS[model_format](file)
            noises = [generator.noise(n, seed=n) for n in COMPARED_WITH]
            apart = max(float((load(noise) - generator(noise)).abs().max()) for noise in noises)
    except Exception as error:
        told = str(error).strip().partition("\n")[0]
        raise SweepError(
            f"--format {model_format} cannot hold this generator: {type(error).__name__}: {told}"
        ) from error
    if not apart <= TOLERANCE:
        raise SweepError(
            f"--format {model_format} does not hold this generator: loaded again, its images differ by"
            f" {apart:.2g} from the original's, more than {TOLERANCE:g}"
        )
    return file


def _write_torchscript(network: "nn.Module", noise: "Tensor", file: Path) -> None:
    import torch

    torch.jit.trace(network, noise, check_trace=False).save(str(file))


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


def _load_torchscript(file: Path) -> "Callable[[Tensor], Tensor]":
    import torch

    loaded: Callable[[Tensor], Tensor] = torch.jit.load(str(file))
    return loaded


def _load_onnx(file: Path) -> "Callable[[Tensor], Tensor]":
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda noise: torch.from_numpy(session.run(None, {"noise": noise.numpy()})[0])


def _load_pt2(file: Path) -> "Callable[[Tensor], Tensor]":
    import torch

    return torch.export.load(file).module()


_WRITERS: "dict[ModelFormat, Callable[[nn.Module, Tensor, Path], None]]" = {
    ModelFormat.TORCHSCRIPT: _write_torchscript,
    ModelFormat.ONNX: _write_onnx,
    ModelFormat.PT2: _write_pt2,
}
_LOADERS: "dict[ModelFormat, Callable[[Path], Callable[[Tensor], Tensor]]]" = {
    ModelFormat.TORCHSCRIPT: _load_torchscript,
    ModelFormat.ONNX: _load_onnx,
    ModelFormat.PT2: _load_pt2,
}

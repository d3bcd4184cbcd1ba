"""CUDA graphs: record the work of a function on a GPU once, and start all of it at once from then on."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch


class Graph(Protocol):
    """Records what a function does to tensors, and repeats it on the same tensors."""

    def rehearse(self, function: Callable[[], None]) -> list[str]:
        """Call a function as it will be captured.

        Returns:
            Where the function waits for its device, which a captured function cannot.
        """

    def capture(self, function: Callable[[], None]) -> None:
        """Record the work of a function without doing it.

        Raises:
            Exception: The function raised it, or the function cannot be captured. The function has then not
                done its work, and may be called.
        """

    def replay(self) -> None:
        """Do the recorded work, on the tensors of the capture."""


class CudaGraph(Graph):
    """A CUDA graph. It repeats the kernels of a function, and nothing else: no Python code.

    Random numbers are those that the function itself would draw: each replay draws with the current state of
    the generators, and advances it.

    Args:
        device: The GPU.
        generators: The random generators of the function, besides PyTorch's own.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        self._device = device
        self._generators = generators
        self._stream = torch.cuda.Stream(device)
        self._graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self._graph.register_generator_state(generator)

    def rehearse(self, function: Callable[[], None]) -> list[str]:
        """Call a function on the stream of the capture, and return where it waits for the GPU."""
        before = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(before)
        with _synchronizations() as found, torch.cuda.stream(self._stream):
            function()
        before.wait_stream(self._stream)
        return found

    def capture(self, function: Callable[[], None]) -> None:
        """Record the work of a function; see :class:`Graph`.

        If a capture fails, PyTorch changes the current stream and its random generators; this method restores
        both.
        """
        try:
            with (
                torch.cuda.stream(self._stream),
                torch.cuda.graph(self._graph, stream=self._stream),
            ):
                function()
        except Exception:
            torch.cuda.synchronize(self._device)
            index = torch.cuda.current_device() if self._device.index is None else self._device.index
            for generator in (torch.cuda.default_generators[index], *self._generators):
                generator.graphsafe_set_state(_copy(generator))
            raise

    def replay(self) -> None:
        """Start the recorded work on the current stream."""
        self._graph.replay()


def graph_for(device: torch.device, generators: Sequence[torch.Generator] = ()) -> Graph | None:
    """Return a new graph for a device, or None: only CUDA GPUs have graphs.

    Args:
        device: The device.
        generators: The random generators of the function to capture, besides PyTorch's own.
    """
    return CudaGraph(device, generators) if device.type == "cuda" else None


def _copy(generator: torch.Generator) -> torch.Generator:
    copy = torch.Generator(generator.device)
    copy.set_state(generator.get_state())
    return copy


@contextmanager
def _synchronizations() -> Iterator[list[str]]:
    """Collect the places in Python code, as ``nets.py, line 3``, at which the block waits for the GPU."""
    found: list[str] = []
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield found
    finally:
        torch.cuda.set_sync_debug_mode(before)
    for warning in caught:
        if "synchroniz" in str(warning.message):
            found.append(f"{Path(warning.filename).name}, line {warning.lineno}")
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

"""Estimate the memory that a training needs, without allocating as much."""

from collections.abc import Iterable
from typing import Any
from weakref import finalize

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_core.architectures import ImageShape
from gan_core.config import TrialConfig
from gan_core.noise import draw_noise, rng_for
from gan_core.trainer import GENERATION_BATCH, Trainer

PROBES = 4, 8
"""The batch sizes that are measured."""

STEPS = 2
"""The optimizers allocate their state in the first step."""


def training_bytes(config: TrialConfig, image_shape: ImageShape) -> float:
    """Return the most bytes that networks, optimizers and one step or one batch of samples need at a time.

    Two steps are taken on a CPU with batches of 4 and 8 images, and the memory in use after each operation is
    extrapolated to ``config.batch_size``: it grows in proportion to the batch. The dataset, the extractor,
    and on a GPU CUDA itself and the workspaces of its libraries need memory beside it. With ``cuda_graphs``,
    a captured step keeps its memory while samples are drawn.
    """
    probes = [_probe(config, image_shape, n) for n in PROBES]
    (few_in_steps, few_in_samples), (more_in_steps, more_in_samples) = probes
    in_steps = _extrapolated(few_in_steps, more_in_steps, config.batch_size)
    in_samples = _extrapolated(few_in_samples, more_in_samples, GENERATION_BATCH)
    if config.cuda_graphs == "off":
        return max(in_steps, in_samples)
    return in_steps + max(0, in_samples - few_in_steps[-1])


class _LiveBytes(TorchDispatchMode):
    """Records how many bytes the tensors that are created inside the block occupy, after each operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.timeline: list[int] = []
        self._live: dict[int, int] = {}
        self._total = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - PyTorch's operations have no public type
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - an operation may return anything
        result = func(*args, **kwargs or {})
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        self.timeline.append(self._total)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata  # noqa: SLF001 - the identity of a storage; each access makes a new object of it
        if key not in self._live:
            self._live[key] = storage.nbytes()
            self._total += storage.nbytes()
            finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self._total -= self._live.pop(key)


def _probe(config: TrialConfig, image_shape: ImageShape, batch_size: int) -> tuple[list[int], list[int]]:
    """Build a trainer, take steps and draw samples.

    Returns:
        The bytes in use after each operation: of the construction and the steps, and of the samples.
    """
    rng, n = rng_for("footprint"), batch_size * config.d_steps
    with torch.random.fork_rng(devices=[]), _LiveBytes() as live:
        trainer = Trainer(config, image_shape)
        for _ in range(STEPS):
            trainer.step(torch.zeros(n, *image_shape), draw_noise(config, n, rng))
        n_in_steps = len(live.timeline)
        trainer.generate(draw_noise(config, batch_size, rng))
    return live.timeline[:n_in_steps], live.timeline[n_in_steps:]


def _extrapolated(fewer: list[int], more: list[int], n: int) -> float:
    """Return the peak for a batch of ``n``: of the extrapolations after each operation, the largest.

    The peak of a large batch may be after another operation than that of a small one. If a component takes
    other operations for another batch size, the two peaks are extrapolated.
    """
    if len(fewer) != len(more):
        fewer, more = [max(fewer)], [max(more)]
    small, large = PROBES
    growth = (n - small) / (large - small)
    return max(low + growth * (high - low) for low, high in zip(fewer, more, strict=True))

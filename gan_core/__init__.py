"""A small, exact GAN training library: one GAN on one device.

Names are imported on first use, so that ``import gan_core`` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_core.config import TrialConfig
    from gan_core.contract import check_contract
    from gan_core.datasets import ImageDataset, load_dataset
    from gan_core.errors import (
        CacheError,
        CheckpointMismatchError,
        ContractError,
        CorruptedAssetError,
        CorruptedCheckpointError,
        DatasetError,
        DatasetUnavailableError,
        ExtractorUnavailableError,
        GanCoreError,
        ImportPathError,
        ImportsNotAllowedError,
        LoopError,
        TrainingDiverged,
        UnknownNameError,
    )
    from gan_core.evaluation import Evaluator
    from gan_core.generator import Generator, load_generator, save_generator
    from gan_core.loop_config import Changeable, LoopConfig
    from gan_core.loops.check import check_loop
    from gan_core.loops.snapshot import Snapshot
    from gan_core.memory import keep_freed_memory
    from gan_core.trainer import Trainer
    from gan_core.training import Report, train

__all__ = [
    "CacheError",
    "Changeable",
    "CheckpointMismatchError",
    "ContractError",
    "CorruptedAssetError",
    "CorruptedCheckpointError",
    "DatasetError",
    "DatasetUnavailableError",
    "Evaluator",
    "ExtractorUnavailableError",
    "GanCoreError",
    "Generator",
    "ImageDataset",
    "ImportPathError",
    "ImportsNotAllowedError",
    "LoopConfig",
    "LoopError",
    "Report",
    "Snapshot",
    "Trainer",
    "TrainingDiverged",
    "TrialConfig",
    "UnknownNameError",
    "check_contract",
    "check_loop",
    "keep_freed_memory",
    "load_dataset",
    "load_generator",
    "save_generator",
    "train",
]

_MODULE_OF = {
    "CacheError": "errors",
    "Changeable": "loop_config",
    "CheckpointMismatchError": "errors",
    "ContractError": "errors",
    "CorruptedAssetError": "errors",
    "CorruptedCheckpointError": "errors",
    "DatasetError": "errors",
    "DatasetUnavailableError": "errors",
    "Evaluator": "evaluation",
    "ExtractorUnavailableError": "errors",
    "GanCoreError": "errors",
    "Generator": "generator",
    "ImageDataset": "datasets",
    "ImportPathError": "errors",
    "ImportsNotAllowedError": "errors",
    "LoopConfig": "loop_config",
    "LoopError": "errors",
    "Report": "training",
    "Snapshot": "loops.snapshot",
    "Trainer": "trainer",
    "TrainingDiverged": "errors",
    "TrialConfig": "config",
    "UnknownNameError": "errors",
    "check_contract": "contract",
    "check_loop": "loops.check",
    "keep_freed_memory": "memory",
    "load_dataset": "datasets",
    "load_generator": "generator",
    "save_generator": "generator",
    "train": "training",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute may be anything
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

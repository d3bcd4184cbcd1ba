"""Functions that run on a cluster's nodes beside trials; other packages may be missing there."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.cluster.code_check import CheckedCode, UsersCode, as_a_trial, check_code, check_in_a_task
from sweeps.words import bar

if TYPE_CHECKING:
    from gan_core import ImageDataset
    from gan_core.evaluation import Reference
    from sweeps.cluster.storage import Storage

PACKAGES = {
    "filelock": "filelock",
    "mlxtend": "mlxtend",
    "numpy": "numpy",
    "pandas": "pandas",
    "PIL": "pillow",
    "platformdirs": "platformdirs",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic",
    "safetensors": "safetensors",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""The modules that a trial imports, and the names of their packages on PyPI."""


@dataclass(frozen=True)
class Yardstick:
    """What the scores of a sweep are measured with.

    Args:
        extractor: The name of the feature extractor.
        reference: The part of the dataset that samples are compared with.
        samples: The numbers of samples per score.
    """

    extractor: str
    reference: "Reference"
    samples: tuple[int, ...]


def faults(storage: "Storage | None") -> list[str]:
    """Return why trials cannot run on this node, each reason as part of a message."""
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if missing:
        return [f"is missing packages that trials import: pip install {' '.join(dict.fromkeys(missing))}"]
    fault = storage.fault() if storage else None
    return [fault] if fault else []


def forget(storage: "Storage") -> None:
    """Delete the files that trials of a sweep have left on this node."""
    shutil.rmtree(storage.local_folder, ignore_errors=True)


class Loaded(NamedTuple):
    """What loading a dataset has found out.

    Args:
        measure: The images and the extractor, as facts of the sweep (``sweeps.record.comparability``).
        remarks: What users should know of the images.
        warnings: Why scores are less reliable than they look.
        code_remarks: What users' code omits or probably does wrong.
    """

    measure: dict[str, Any]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]
    code_remarks: tuple[str, ...] = ()


def load(
    data: dict[str, Any],
    code: UsersCode,
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    note: Path,
    trial_options: Mapping[str, Any] | None,
    yardstick: Yardstick,
    recorded_images: Mapping[str, Any] | None = None,
) -> "tuple[Loaded, tuple[ImageDataset | None, bytes | None]]":
    """Load a dataset and its feature extractor, and check users' code on the images.

    Args:
        data: The arguments of :func:`gan_core.load_dataset`.
        code: The code to check.
        resources: The cores and GPUs of a trial, which this function uses, too.
        import_folders: As for :func:`sweeps.cluster.shipping.use_import_folders`.
        note: A file of this machine, whose content this function replaces by a line about its progress.
        trial_options: What Ray reserves for a trial, if this function runs without it on one of several
            nodes: a task with these options then checks the code. None on the only node, which checks it in
            this process.
        yardstick: What the scores are measured with.
        recorded_images: The images of the recorded scores (:attr:`gan_core.ImageDataset.identity`). If the
            dataset has others, this function only returns which, so that the caller can refuse them.

    Returns:
        What this function has found out; and the extractor's weights, for all workers. A classifier that is
        trained on another processor may differ in the last bits. Beside the weights, several nodes share the
        dataset; on the only node it is None, and workers map the images of one file into their memory.

    Raises:
        GanCoreError: The dataset cannot be loaded or scored, a component breaks its contract, or a training
            loop fails its check.
    """
    import torch

    from gan_core import Evaluator
    from gan_core.extractors import train_extractor

    write, device = _writer(note), as_a_trial(resources, import_folders)
    images = _images(data, write)
    if recorded_images is not None and images.identity != recorded_images:
        return Loaded({"images": images.identity}, images.remarks, ()), (None, None)
    checked = _checked(code, images, resources, import_folders, write, trial_options)

    def on_progress(step: int, steps: int, accuracy: float) -> None:
        write(f"training the classifier, step {step:,} of {steps:,}, accuracy {accuracy:.0%}")

    torch.set_num_threads(max(int(resources["cpu"]), len(os.sched_getaffinity(0))))
    weights = train_extractor(yardstick.extractor, images, on_progress)
    torch.set_num_threads(int(resources["cpu"]))
    identity, measured_by = images.identity, (yardstick.extractor, weights, yardstick.reference)
    evaluator = Evaluator(images.to_if_it_fits(device), device, *measured_by)
    measure = {"images": identity, "extractor": evaluator.extractor}
    warnings = evaluator.warnings(yardstick.samples)
    shared = None if trial_options is None else images
    code_remarks = tuple(remark for each in checked for remark in each.remarks)
    return Loaded(measure, images.remarks, tuple(warnings), code_remarks), (shared, weights)


def check_only(
    data: dict[str, Any],
    code: UsersCode,
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    note: Path,
    trial_options: Mapping[str, Any] | None,
) -> "tuple[list[CheckedCode], None]":
    """Load a dataset, check users' code on its images, and time the steps of a loop.

    The arguments are those of :func:`load`. The second result is None.

    Raises:
        GanCoreError: The dataset cannot be loaded, a component breaks its contract, or a training loop fails
            its check.
    """
    as_a_trial(resources, import_folders)
    write = _writer(note)
    images = _images(data, write)
    return _checked(code, images, resources, import_folders, write, trial_options, timed=True), None


def _writer(note: Path) -> Callable[[str], None]:
    def write(progress: str) -> None:
        note.write_text(progress, encoding="utf-8")

    return write


def _images(data: dict[str, Any], write: Callable[[str], None]) -> "ImageDataset":
    from gan_core import load_dataset

    images = load_dataset(
        **data,
        on_progress=lambda done, n: write(f"decoding images, {done:,} of {n:,} {bar(done, n)}"),
    )
    write(f"{len(images.train) + len(images.held_out):,} images loaded")
    return images


def _checked(
    code: UsersCode,
    images: "ImageDataset",
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    write: Callable[[str], None],
    trial_options: Mapping[str, Any] | None,
    *,
    timed: bool = False,
) -> "list[CheckedCode]":
    """Check users' code in this process or, with the options of a trial, in a task."""
    if code.is_empty:
        return []
    if trial_options is None:
        return check_code(code, images, resources, import_folders, write, timed=timed)
    write("checking your code")
    return check_in_a_task(trial_options, code, images, resources, import_folders, timed=timed)

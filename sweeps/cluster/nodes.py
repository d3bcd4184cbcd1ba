"""Functions that run on a cluster's nodes beside trials; other packages may be missing there."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.words import bar

if TYPE_CHECKING:
    from gan_core import ImageDataset, LoopConfig
    from gan_core.architectures import ImageShape
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
    """

    measure: dict[str, Any]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]


class UsersCode(NamedTuple):
    """The code of users that is checked before a sweep starts.

    Args:
        configs: The combinations of components with one of a user's own.
        loop: The import path of a training loop, and the hyperparameters to check it with; None without one.
            A worker makes the config of them, because it cannot unpickle one before it may import the module.
    """

    configs: "list[LoopConfig]"
    loop: tuple[str, dict[str, Any]] | None = None


def load(
    data: dict[str, Any],
    yardstick: Yardstick,
    code: UsersCode,
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    note: Path,
    trial_options: Mapping[str, Any] | None = None,
    recorded_images: Mapping[str, Any] | None = None,
) -> "tuple[Loaded, tuple[ImageDataset | None, bytes | None]]":
    """Load a dataset and its feature extractor, and check users' code on the images.

    Args:
        data: The arguments of :func:`gan_core.load_dataset`.
        yardstick: What the scores are measured with.
        code: The code to check.
        resources: The cores and GPUs of a trial, which this function uses, too.
        import_folders: As for :func:`sweeps.cluster.shipping.use_import_folders`.
        note: A file of this machine, whose content this function replaces by a line about its progress.
        trial_options: What Ray reserves for a trial, if this function runs without it on one of several
            nodes: a task with these options then checks the code. None on the only node, which checks it in
            this process.
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

    from gan_core import Evaluator, load_dataset
    from gan_core.extractors import train_extractor

    def write(progress: str) -> None:
        note.write_text(progress, encoding="utf-8")

    device = _as_a_trial(resources, import_folders)
    images = load_dataset(
        **data,
        on_progress=lambda done, n: write(f"decoding images, {done:,} of {n:,} {bar(done, n)}"),
    )
    write(f"{len(images.train) + len(images.held_out):,} images loaded")
    if recorded_images is not None and images.identity != recorded_images:
        return Loaded({"images": images.identity}, images.remarks, ()), (None, None)
    checks: list[tuple[Callable[..., None], Any]] = []
    if code.configs:
        checks.append((check_components, (code.configs, images.image_shape)))
    if code.loop:
        checks.append((check_own_loop, (*code.loop, images)))
    for function, arguments in checks:
        if trial_options is None:
            function(*arguments, resources, import_folders, write)
        else:
            write("checking your code")
            _in_a_task(function, trial_options, *arguments, resources, import_folders)

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
    return Loaded(measure, images.remarks, tuple(warnings)), (shared, weights)


def check_components(
    configs: "list[LoopConfig]",
    image_shape: "ImageShape",
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    on_progress: Callable[[str], object] = lambda _line: None,
) -> None:
    """Check combinations of components on the device, with the cores and in the precision of a trial.

    Args:
        configs: The combinations.
        image_shape: Channels, height and width of the training images.
        resources: The cores and GPUs of a trial.
        import_folders: As for :func:`sweeps.cluster.shipping.use_import_folders`.
        on_progress: Called with a line about the progress.

    Raises:
        ContractError: A component breaks its contract.
    """
    from gan_core import TrialConfig, check_contract

    device = _as_a_trial(resources, import_folders)
    for number, config in enumerate(configs, 1):
        on_progress(f"checking components, combination {number} of {len(configs)}")
        if isinstance(config, TrialConfig):
            check_contract(config, image_shape, device)


def check_own_loop(
    train: str,
    hyperparameters: Mapping[str, Any],
    images: "ImageDataset",
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    on_progress: Callable[[str], object] = lambda _: None,
) -> None:
    """Check a training loop on the device and with the cores of a trial (:func:`gan_core.check_loop`).

    Args:
        train: The import path of the loop.
        hyperparameters: The values of its config.
        images: The dataset.
        resources: The cores and GPUs of a trial.
        import_folders: As for :func:`sweeps.cluster.shipping.use_import_folders`.
        on_progress: Called with a line about the progress.

    Raises:
        LoopError: The loop fails the check.
    """
    from gan_core import check_loop
    from gan_core.hyperparameters import config_of, named_loop

    device = _as_a_trial(resources, import_folders)
    on_progress(f"checking {train}")
    config = config_of(train).model_validate(hyperparameters)
    check_loop(named_loop(train), images, config, device)


def _as_a_trial(resources: Mapping[str, float], import_folders: list[str] | None) -> str:
    """Give this process the import folders and the threads of a trial, and return a trial's device."""
    import torch

    from sweeps.cluster.devices import worker_device
    from sweeps.cluster.shipping import use_import_folders

    use_import_folders(import_folders)
    torch.set_num_threads(int(resources["cpu"]))
    return worker_device(resources["gpu"])


def _in_a_task(function: Callable[..., None], options: Mapping[str, Any], *arguments: Any) -> None:  # noqa: ANN401
    """Call a function in a new worker, and raise the function's own exception."""
    import ray
    from ray.exceptions import RayTaskError

    try:
        ray.get(ray.remote(**options, max_retries=0, max_calls=1)(function).remote(*arguments))
    except RayTaskError as error:
        raise error.cause from None

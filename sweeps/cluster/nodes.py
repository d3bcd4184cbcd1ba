"""What runs on a cluster's nodes beside trials; it is imported where all else may be missing."""

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_core import ImageDataset, TrialConfig
    from gan_core.features import ExtractorName
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
    "safetensors": "safetensors",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""What a trial imports, and what it is called where it is installed from."""


def faults(storage: "Storage | None") -> list[str]:
    """Return what keeps trials from running on this node, in words."""
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if missing:
        return [f"lacks what a trial imports: pip install {' '.join(missing)}"]
    fault = storage.fault() if storage else None
    return [fault] if fault else []


def forget(storage: "Storage") -> None:
    """Delete what trials of a sweep have left on this node."""
    shutil.rmtree(storage.own_folder, ignore_errors=True)


def load(
    data: dict[str, Any],
    extractor: "ExtractorName",
    configs: "list[TrialConfig]",
    threads: int,
    import_folders: list[str] | None,
) -> "tuple[None, tuple[ImageDataset, bytes | None]]":
    """Load a dataset and its extractor, and try configurations on its images.

    Returns:
        Nothing, to be waited for, and what other nodes take from this one: the images, and the classifier's
        weights. Each would train the same classifier, but on another processor not to the last bit.

    Raises:
        GanCoreError: The dataset cannot be loaded or scored, or a component is refused.
    """
    import torch

    from gan_core import Evaluator, check_contract, load_dataset
    from gan_core.features import classifier_bytes
    from sweeps.cluster.shipping import use_import_folders

    use_import_folders(import_folders)
    torch.set_num_threads(threads)
    images = load_dataset(**data)
    for config in configs:
        check_contract(config, images.image_shape)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    Evaluator(images.to_if_it_fits(device), device, extractor)
    return None, (images, classifier_bytes(images) if extractor == "classifier" else None)

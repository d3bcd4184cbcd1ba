"""Look at the images of a folder before a sweep of them starts."""

from collections.abc import Callable
from dataclasses import dataclass

from gan_core.datasets import FOLDER
from sweeps.spec.model import SweepSpec


@dataclass(frozen=True)
class Images:
    """The images of a folder.

    Args:
        train: The number of training images.
        held_out: The number of held-out images.
        classes: The number of classes; 0 without classes.
        cache_bytes: The size of the decoded images in the cache.
        remarks: What users should know of the images: which are left out, for example.
    """

    train: int
    held_out: int
    classes: int
    cache_bytes: int
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the numbers and the remarks, a line each."""
        classes = f"{self.classes} classes" if self.classes else "no classes"
        numbers = f"{self.train:,} to train on, {self.held_out:,} held out, {classes}"
        return [f"images    {numbers}", *(f"          {remark}" for remark in self.remarks)]


def images_of(spec: SweepSpec, on_progress: Callable[[int, int], None] | None = None) -> Images | None:
    """Decode the images of a sweep's folder into the cache, and return what they are.

    Args:
        spec: The sweep.
        on_progress: Called with the number of images that are decoded, and the number of all images.

    Returns:
        The images; None if the dataset is no folder.

    Raises:
        DatasetError: The images cannot be trained on.
        ExtractorUnavailableError: The sweep's extractor needs classes, and there are none.
    """
    if not spec.dataset.startswith(FOLDER):
        return None

    from gan_core import load_dataset

    data = load_dataset(**spec.data, on_progress=on_progress)
    if spec.extractor == "classifier":
        data.learnable_labels()
    return Images(
        len(data.train),
        len(data.held_out),
        0 if data.train_labels is None else int(data.train_labels.max()) + 1,
        data.train.nbytes + data.held_out.nbytes,
        data.remarks,
    )

"""Compare the best trials' samples over the course of training."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweeps.analysis.search_scores import first_trainings
from sweeps.analysis.sweep import Sweep

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_TRIALS = 5
"""Rows, without the defaults'."""

MOST_STEPS = 7
"""Columns, without the best report's."""

SHARE = 0.5
"""The share of each side of a 64-image grid that is shown: 16 images, from the same noise in every row."""

LARGEST = 224
"""The longest side of an image, in pixels."""

QUALITY = 80

MARGIN, LABEL_WIDTH, LABEL_HEIGHT = 8, 150, 24
FONT_SIZE = 14
"""Pixels of the sheet that :func:`sheet_png` draws."""


@dataclass(frozen=True)
class Cell:
    """The samples of one trial at one step.

    Args:
        step: The training step.
        image: A ``data:`` URI; None if the sample file is missing or damaged.
    """

    step: int
    image: str | None


@dataclass(frozen=True)
class Row:
    """The samples of one trial.

    Args:
        trial_id: The trial.
        cells: One per column; None if the trial made no report there.
        best: The samples of its best report.
    """

    trial_id: str
    cells: list[Cell | None]
    best: Cell


@dataclass(frozen=True)
class ContactSheet:
    """Rows of samples: the best trial first, the defaults last.

    Args:
        steps: The training step of each column.
        rows: One per trial.
    """

    steps: list[int]
    rows: list[Row]

    @property
    def has_images(self) -> bool:
        """Whether any sample file could be read."""
        return any(cell and cell.image for row in self.rows for cell in (*row.cells, row.best))


def contact_sheet(sweep: Sweep) -> ContactSheet:
    """Collect the samples of the best trials and of the defaults; all come from the same noise."""
    shown = _trials_shown(sweep)
    history = sweep.history
    reported = {
        trial_id: sorted(history.loc[history["trial_id"] == trial_id, "step"].tolist()) for trial_id in shown
    }
    steps = _evenly_spaced(sorted({step for steps in reported.values() for step in steps}))
    best_steps = dict(zip(sweep.trials["trial_id"], sweep.trials["best_step"], strict=True))
    rows = [
        Row(
            trial_id,
            [_cell(sweep, trial_id, step) for step in _reports_by_column(steps, reported[trial_id])],
            Cell(int(best_steps[trial_id]), _data_uri(sweep.samples_file(trial_id))),
        )
        for trial_id in shown
    ]
    return ContactSheet(steps, rows)


def _trials_shown(sweep: Sweep) -> list[str]:
    ranked = first_trainings(sweep.rank().query("rank.notna()"))
    defaults = ranked.loc[ranked["is_baseline"], "trial_id"].tolist()
    best = [trial_id for trial_id in ranked["trial_id"] if trial_id not in defaults]
    return [*best[:MOST_TRIALS], *defaults]


def _evenly_spaced(steps: list[int]) -> list[int]:
    """Return at most MOST_STEPS steps, evenly spaced, with the first and the last."""
    if len(steps) <= MOST_STEPS:
        return steps
    return [steps[round(place)] for place in np.linspace(0, len(steps) - 1, MOST_STEPS)]


def _reports_by_column(columns: Sequence[int], reported: Sequence[int]) -> list[int | None]:
    """Return the trial's last report up to each column's step and after the previous column's."""
    starts = [0, *columns[:-1]]
    return [
        max((step for step in reported if start < step <= end), default=None)
        for start, end in zip(starts, columns, strict=True)
    ]


def _cell(sweep: Sweep, trial_id: str, step: int | None) -> Cell | None:
    return None if step is None else Cell(step, _data_uri(sweep.samples_file(trial_id, step)))


def _data_uri(file: Path) -> str | None:
    """Return the first images of a grid as a WebP ``data:`` URI; None if the file is missing or damaged."""
    from PIL import Image

    try:
        with Image.open(file) as grid:
            part = grid.crop((0, 0, int(grid.width * SHARE), int(grid.height * SHARE)))
    except OSError:
        return None
    part.thumbnail((LARGEST, LARGEST))
    buffer = BytesIO()
    part.save(buffer, format="WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"


def sheet_png(sheet: ContactSheet) -> bytes:
    """Draw a contact sheet as a PNG: a row per trial, a column per step, and the best report last.

    Args:
        sheet: At least one of its cells has an image.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows = [[_decoded(cell) for cell in (*row.cells, row.best)] for row in sheet.rows]
    side = MARGIN + max(image.width for row in rows for image in row if image is not None)
    columns = [LABEL_WIDTH + column * side for column in range(len(sheet.steps) + 1)]
    tops = [LABEL_HEIGHT + row * side for row in range(len(rows))]
    page = Image.new("RGB", (columns[-1] + side, tops[-1] + side), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(FONT_SIZE)
    headings = [f"step {step}" for step in sheet.steps] + ["best report"]
    for left, heading in zip(columns, headings, strict=True):
        draw.text((left, MARGIN // 2), heading, fill="black", font=font)
    for top, shown, images in zip(tops, sheet.rows, rows, strict=True):
        draw.text((MARGIN, top), shown.trial_id, fill="black", font=font)
        for left, image in zip(columns, images, strict=True):
            if image is not None:
                page.paste(image, (left, top))
    file = BytesIO()
    page.save(file, format="PNG")
    return file.getvalue()


def _decoded(cell: Cell | None) -> "Image | None":
    from PIL import Image

    if cell is None or cell.image is None:
        return None
    return Image.open(BytesIO(b64decode(cell.image.partition(",")[2])))

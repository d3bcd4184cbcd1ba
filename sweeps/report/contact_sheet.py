"""The best trials' samples beside each other, as training went on."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from sweeps.analysis.sweep import Sweep

MOST_TRIALS = 5
"""Rows, beside that of the defaults."""

MOST_STEPS = 7
"""Columns, beside that of the best report."""

SHARE = 0.5
"""Of the sides of a grid of 64 images: 16 are shown, of the same noise in every row."""

LARGEST = 224
"""Pixels of a picture's side."""

QUALITY = 80


@dataclass(frozen=True)
class Cell:
    """Samples of one trial at one step.

    Args:
        step: Steps taken.
        image: A ``data:`` URI, or None where there is no picture.
    """

    step: int
    image: str | None


@dataclass(frozen=True)
class Row:
    """One trial's samples.

    Args:
        trial_id: The trial.
        cells: By step; None where the trial had no report, as it was stopped before.
        best: Those of its best report.
    """

    trial_id: str
    cells: list[Cell | None]
    best: Cell


@dataclass(frozen=True)
class ContactSheet:
    """Rows of samples, best trial first and the seed tutorial's defaults last.

    Args:
        steps: Of the columns.
        rows: A row a trial.
    """

    steps: list[int]
    rows: list[Row]

    @property
    def has_pictures(self) -> bool:
        """Whether any picture is there: their files may be gone."""
        return any(cell and cell.image for row in self.rows for cell in (*row.cells, row.best))


def contact_sheet(sweep: Sweep) -> ContactSheet:
    """Return the samples of the best trials and of the defaults; every grid is drawn from one noise bank."""
    shown = _shown(sweep)
    history = sweep.history
    reported = {
        trial_id: sorted(history.loc[history["trial_id"] == trial_id, "step"].tolist()) for trial_id in shown
    }
    steps = _spread(sorted({step for steps in reported.values() for step in steps}))
    best_steps = dict(zip(sweep.trials["trial_id"], sweep.trials["best_step"], strict=True))
    rows = [
        Row(
            trial_id,
            [_cell(sweep, trial_id, step) for step in _matched(steps, reported[trial_id])],
            Cell(int(best_steps[trial_id]), _picture(sweep.samples_file(trial_id))),
        )
        for trial_id in shown
    ]
    return ContactSheet(steps, rows)


def _shown(sweep: Sweep) -> list[str]:
    ranked = sweep.rank().query("rank.notna()")
    defaults = ranked.loc[ranked["is_baseline"], "trial_id"].tolist()
    best = [trial_id for trial_id in ranked["trial_id"] if trial_id not in defaults]
    return [*best[:MOST_TRIALS], *defaults]


def _spread(steps: list[int]) -> list[int]:
    """Return at most MOST_STEPS of the steps, evenly spread, the first and the last among them."""
    if len(steps) <= MOST_STEPS:
        return steps
    return [steps[round(place)] for place in np.linspace(0, len(steps) - 1, MOST_STEPS)]


def _matched(columns: Sequence[int], reported: Sequence[int]) -> list[int | None]:
    """Return for each column the trial's last report since the column before: steps may differ by trial."""
    starts = [0, *columns[:-1]]
    return [
        max((step for step in reported if start < step <= end), default=None)
        for start, end in zip(starts, columns, strict=True)
    ]


def _cell(sweep: Sweep, trial_id: str, step: int | None) -> Cell | None:
    return None if step is None else Cell(step, _picture(sweep.samples_file(trial_id, step)))


def _picture(file: Path) -> str | None:
    """Return a part of a grid as a small WebP; nothing where the file is gone or damaged."""
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

"""Write the figures of the report as PNGs."""

from pathlib import Path
from typing import Any

from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.report.figures import plots_of

PNG_WIDTH, PNG_HEIGHT, PNG_SCALE = 960, 540, 2


def write_pngs(sweep: Sweep, folder: Path) -> list[Path]:
    """Write each plot of the report as a PNG; return the files.

    Raises:
        SweepError: Kaleido or a browser is not installed, or the folder cannot be written.
    """
    drawn = plots_of(sweep)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SweepError(f"{folder} cannot be written: {error.strerror}; type another: --png DIR") from None
    files = [folder / f"{plot.name}.png" for plot in drawn]
    options = {"format": "png", "width": PNG_WIDTH, "height": PNG_HEIGHT, "scale": PNG_SCALE}
    _draw(
        [
            {"fig": plot.figure, "path": str(file), "opts": options}
            for plot, file in zip(drawn, files, strict=True)
        ]
    )
    return files


def _draw(jobs: list[dict[str, Any]]) -> None:
    """Draw figures with Kaleido in a headless Chrome or Chromium, without a network."""
    try:
        import kaleido
        from choreographer.errors import ChromeNotFoundError
    except ImportError:
        raise SweepError(
            "--png needs Kaleido, and Chrome or Chromium: pip install 'gan-sweep[png]', and"
            " apt-get install chromium or the like"
        ) from None
    try:
        kaleido.write_fig_from_object_sync(jobs, kopts={"mathjax": False})
    except ChromeNotFoundError:
        raise SweepError(
            "--png needs Chrome or Chromium, and neither is installed: apt-get install chromium or the like,"
            " or set BROWSER_PATH to the browser's file"
        ) from None

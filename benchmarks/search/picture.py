"""Plot the incumbents of replayed searches against the reports spent."""

from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.recordings import Floats
from benchmarks.search.statistics import Curves

if TYPE_CHECKING:
    import plotly.graph_objects as go

DASHES = ("solid", "dash", "dot")
"""The lines of the rules: all colors with the first dash, then all colors with the next one."""
TICKS = (1, 1.1, 1.2, 1.5, 2, 3, 4)
"""The labels of the logarithmic axis of fids; its range ends at the last one."""
BAND_OPACITY = 0.12


def figure(worlds: Mapping[str, Curves], best: Mapping[str, float]) -> "go.Figure":
    """Return a figure with a plot for each world: each rule's median, in a band between the quartiles.

    Args:
        worlds: The curves of each world.
        best: The least noise-free fid of each world, which fids are divided by.
    """
    from plotly.subplots import make_subplots

    from sweeps.report.style import COLORWAY, template

    plots = make_subplots(cols=len(worlds), subplot_titles=list(worlds), shared_yaxes=True)
    for column, (world, curves) in enumerate(worlds.items(), 1):
        lines = cycle({"dash": dash, "color": color} for dash, color in product(DASHES, COLORWAY))
        for (rule, each), line in zip(curves.items(), lines, strict=False):
            _add_rule(plots, column, rule, np.percentile(each / best[world], [25, 50, 75], axis=0), line)
    plots.update_layout(
        template=template(),
        title="The incumbent's fid without noise, times the world's best",
        legend={"y": -0.2, "yanchor": "top"},
        margin={"t": 90, "r": 30},
    )
    plots.update_xaxes(title="reports spent")
    plots.update_yaxes(type="log", range=np.log10([0.99, TICKS[-1]]), tickvals=TICKS, minor={"ticks": ""})
    return plots


def _add_rule(plots: "go.Figure", column: int, rule: str, quartiles: Floats, line: Mapping[str, str]) -> None:
    """Add the quartiles ``(3, reports)`` of a rule to the plot of a column."""
    from plotly.colors import hex_to_rgb

    low, middle, high = quartiles
    reports = np.arange(1, len(middle) + 1)
    shared = {"x": reports, "mode": "lines", "legendgroup": rule, "col": column, "row": 1}
    color = f"rgba{(*hex_to_rgb(line['color']), BAND_OPACITY)}"
    edge = shared | {"line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    plots.add_scatter(y=low, **edge)
    plots.add_scatter(y=high, fill="tonexty", fillcolor=color, **edge)
    plots.add_scatter(y=middle, name=rule, line=line, showlegend=column == 1, **shared)


def write(plots: "go.Figure", file: Path) -> None:
    """Write a figure as an HTML page or, if the file's name ends with .png, as a PNG."""
    if file.suffix == ".png":
        plots.write_image(file, width=1200, height=500)
    else:
        plots.write_html(file)

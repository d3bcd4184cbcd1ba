"""Plot the incumbents of replayed searches against the reports spent."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.search.statistics import Curves

if TYPE_CHECKING:
    import plotly.graph_objects as go


def figure(worlds: dict[str, Curves], best: dict[str, float]) -> "go.Figure":
    """Return a figure with a plot for each world: medians, a band between quartiles, and the best fid."""
    from plotly.subplots import make_subplots

    from sweeps.report.style import COLORWAY, template

    plots = make_subplots(cols=len(worlds), subplot_titles=list(worlds))
    plots.update_layout(template=template(), title="Noise-free fid of the incumbent")
    for column, (world, curves) in enumerate(worlds.items(), 1):
        for color, (rule, each) in zip(COLORWAY, curves.items(), strict=False):
            reports = np.arange(1, each.shape[1] + 1)
            low, middle, high = np.percentile(each, [25, 50, 75], axis=0)
            shared = {"legendgroup": rule, "showlegend": False}
            edge = {"mode": "lines", "line": {"width": 0, "color": color}, **shared}
            plots.add_scatter(x=reports, y=low, col=column, row=1, **edge)
            plots.add_scatter(x=reports, y=high, fill="tonexty", col=column, row=1, **edge)
            named = {"name": rule, "line": {"color": color}} | shared | {"showlegend": column == 1}
            plots.add_scatter(x=reports, y=middle, mode="lines", col=column, row=1, **named)
        plots.add_hline(y=best[world], line={"dash": "dot"}, col=column, row=1)
    plots.update_xaxes(title="reports spent")
    plots.update_yaxes(type="log")
    return plots


def write(plots: "go.Figure", file: Path) -> None:
    """Write a figure as an HTML page or, if the file's name ends with .png, as a PNG."""
    if file.suffix == ".png":
        plots.write_image(file, width=1200, height=460)
    else:
        plots.write_html(file)

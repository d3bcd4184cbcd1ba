"""Style the figures: colours, fonts, markers and plotly's template."""

from typing import Any

import plotly.graph_objects as go

from sweeps.record.status import Status

DEFAULTS = "defaults"
FURTHER_SEED = "further seed"

BLUE, ORANGE, GREEN, RED, GREY = "#3b82f6", "#cf7520", "#159a76", "#d6455d", "#8b93a1"
VIOLET = "#8b6fd8"
COLORWAY = [BLUE, ORANGE, GREEN, RED, VIOLET, "#9a8327", "#c2559d", "#4b8fa8"]
BEST_TO_WORST = [GREEN, "#5b93b0", "#9a8aa6", ORANGE]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"

STYLES: dict[str, dict[str, Any]] = {
    Status.PRUNED.words: {"color": GREY, "symbol": "circle-open", "opacity": 0.75},
    Status.INTERRUPTED.words: {"color": GREY, "symbol": "square-open", "opacity": 0.75},
    Status.RUNNING.words: {"color": BLUE, "symbol": "circle-open", "opacity": 1.0},
    FURTHER_SEED: {"color": VIOLET, "symbol": "triangle-up", "opacity": 1.0},
    Status.COMPLETED.words: {"color": BLUE, "symbol": "circle", "opacity": 1.0},
    DEFAULTS: {"color": ORANGE, "symbol": "diamond", "opacity": 1.0},
    Status.DIVERGED.words: {"color": RED, "symbol": "x", "opacity": 1.0},
    Status.CRASHED.words: {"color": RED, "symbol": "x-open", "opacity": 1.0},
}
"""The marker of each kind of trial, in drawing order: the last is in front."""

LONE_POINT_PX = 6
"""The marker size of a learning curve with a single report."""


def template(*, dark: bool = False) -> go.layout.Template:
    """Return the template of every figure, for the light page or for the dark one."""
    ink, faint, paper = ("#e4e7ec", "#333a45", "#171a20") if dark else ("#1f2430", "#e3e6eb", "#ffffff")
    axis = {
        "gridcolor": faint,
        "linecolor": faint,
        "zeroline": False,
        "automargin": True,
        "ticklabelstandoff": 4,
        "separatethousands": True,
        "title": {"standoff": 10},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": COLORWAY,
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"bgcolor": paper, "bordercolor": GREY, "font": {"color": ink, "family": FONT}},
            "hovermode": "closest",
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"size": 12},
            },
            "title": {
                "x": 0,
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 14, "l": 16},
                "font": {"size": 16},
            },
            "margin": {"l": 56, "r": 16, "t": 76, "b": 48},
        },
        data={
            "parcoords": [
                {
                    "labelfont": {"color": ink, "size": 13},
                    "tickfont": {"color": ink, "size": 12},
                    "rangefont": {"color": "rgba(0,0,0,0)", "size": 12},
                }
            ]
        },
    )

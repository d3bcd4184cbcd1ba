"""Run, load and rank sweeps over GAN hyperparameters.

>>> import sweeps
>>> sweep = sweeps.run("search_spaces/lsgan.yaml", overrides={"trials": 8})  # doctest: +SKIP
>>> sweeps.load("lsgan").rank()  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.analysis.loading import list_sweeps, load
    from sweeps.analysis.sweep import Sweep
    from sweeps.driver.api import run
    from sweeps.errors import SpecError, SweepError, UnknownSweepError
    from sweeps.report import plots

__all__ = ["SpecError", "Sweep", "SweepError", "UnknownSweepError", "list_sweeps", "load", "plots", "run"]

_HOME = {  # the module of each public name, imported when the name is first used
    "SpecError": "errors",
    "Sweep": "analysis.sweep",
    "SweepError": "errors",
    "UnknownSweepError": "errors",
    "list_sweeps": "analysis.loading",
    "load": "analysis.loading",
    "run": "driver.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute may be anything
    if name == "plots":
        return import_module("sweeps.report.plots")
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

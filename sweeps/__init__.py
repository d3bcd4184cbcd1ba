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
    from sweeps.driver.api import check, confirm, resume, run
    from sweeps.errors import SpecError, SweepError, UnknownSweepError
    from sweeps.generators.export import export
    from sweeps.report import plots

__all__ = [
    "SpecError",
    "Sweep",
    "SweepError",
    "UnknownSweepError",
    "check",
    "confirm",
    "export",
    "list_sweeps",
    "load",
    "plots",
    "resume",
    "run",
]

_MODULE_OF = {  # imported when the name is first used
    "SpecError": "errors",
    "Sweep": "analysis.sweep",
    "SweepError": "errors",
    "UnknownSweepError": "errors",
    "check": "driver.api",
    "confirm": "driver.api",
    "export": "generators.export",
    "list_sweeps": "analysis.loading",
    "load": "analysis.loading",
    "plots": "report.plots",
    "resume": "driver.api",
    "run": "driver.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute may be anything
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = import_module(f"{__name__}.{_MODULE_OF[name]}")
    return module if name == "plots" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Read and check search-space files and options."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeps.errors import Fault, SpecError
from sweeps.spec.faults import (
    condition_faults,
    method_faults,
    parameter_faults,
    point_faults,
    population_faults,
    shape_faults,
    sound_part,
    unused_parameters,
)
from sweeps.spec.model import SweepSpec, valid_name
from sweeps.spec.sections import Confirm, parse_seconds
from sweeps.spec.source import Override, Source


def check_name(name: str | None) -> None:
    """Check a sweep's name as it was given with ``--name``.

    Raises:
        SpecError: It cannot be a folder's name.
    """
    try:
        valid_name(name or "free")
    except ValueError as error:
        raise SpecError([Fault(f"--name {name}", str(error))]) from None


def parse_budget(budget: str | None) -> float | None:
    """Read a time budget as it was given with ``--time-budget``: seconds, or such as 90m.

    Raises:
        SpecError: It is no duration.
    """
    if budget is None:
        return None
    try:
        return parse_seconds(budget)
    except ValueError as error:
        raise SpecError([Fault(f"--time-budget {budget}", str(error))]) from None


def confirm_settings(of_spec: Mapping[str, Any] | None, options: Mapping[str, Any]) -> Confirm:
    """Return how to confirm: as a spec says, or by default, but for the options of the command line.

    Raises:
        SpecError: An option has a fault.
    """
    given = {name: value for name, value in options.items() if value is not None}
    kept = dict(of_spec or {})
    if "seeds" in given and "max_seeds" not in given:
        kept.pop("max_seeds", None)
    try:
        return Confirm.model_validate(kept | given)
    except ValidationError as error:
        faults = []
        for detail in error.errors(include_url=False):
            option = "".join(f"--{str(part).replace('_', '-')}" for part in detail["loc"])
            place = f"{option} {detail['input']}" if option else "confirm"
            message = detail["msg"].removeprefix("Value error, ")
            faults.append(Fault(place, f"{message[0].lower()}{message[1:]}"))
        raise SpecError(faults) from None


def load_spec(file: Path | str, overrides: Sequence[Override] = ()) -> SweepSpec:
    """Read and check a search-space file, warning of what in it would not be used.

    Args:
        file: A YAML 1.2 file.
        overrides: Values that replace those of the file, checked like them.

    Raises:
        SpecError: The file cannot be read or has faults: all of them are listed.
    """
    spec, remarks = read_spec(file, overrides)
    for remark in remarks:
        warnings.warn(str(remark), stacklevel=2)
    return spec


def read_spec(file: Path | str, overrides: Sequence[Override] = ()) -> tuple[SweepSpec, list[Fault]]:
    """Return what :func:`load_spec` does, and what in the file would not be used.

    Raises:
        SpecError: The file cannot be read or has faults: all of them are listed.
    """
    source = Source.read(Path(file), overrides)
    faults = [*source.faults(), *shape_faults(source), *parameter_faults(source)]
    for faults_of_the_whole in (condition_faults, method_faults, population_faults, point_faults):
        sound = sound_part(source.content, [fault.path for fault in faults])
        faults += [] if sound is None else faults_of_the_whole(sound, source)
    if faults:
        raise SpecError(sorted(faults, key=source.order))
    spec = SweepSpec.model_validate(source.content)
    return spec, [*unused_parameters(spec, source)]

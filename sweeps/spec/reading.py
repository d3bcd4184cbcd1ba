"""Read and check search-space files, and the options of the command line that replace their values."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeps.errors import Fault, SpecError
from sweeps.spec import fields
from sweeps.spec.conflicts import conflicts, remarks
from sweeps.spec.faults import parameter_faults, rule, schema_faults
from sweeps.spec.model import SweepSpec
from sweeps.spec.overrides import Override
from sweeps.spec.sections import Confirm
from sweeps.spec.source import Source


def check_name(name: str | None) -> None:
    """Check the sweep's name of the option ``--name``; None means that the option is absent.

    Raises:
        SpecError: The name cannot be the name of a folder in results.
    """
    if name is None:
        return
    try:
        fields.check_name(name)
    except ValueError as error:
        raise SpecError([Fault(f"--name {name}", str(error))]) from None


def confirm_settings(of_spec: Mapping[str, Any] | None, options: Mapping[str, Any]) -> Confirm:
    """Return how to confirm: the spec's settings, or the defaults, replaced by the given options.

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
            faults.append(Fault(place, rule(detail["msg"])))
        raise SpecError(faults) from None


def load_spec(file: Path | str | Mapping[str, Any], overrides: Sequence[Override] = ()) -> SweepSpec:
    """Read and check a search-space file, and warn of the parts that have no effect.

    Args:
        file: A YAML 1.2 file, or its content.
        overrides: Values that replace those of the file and are checked like them.

    Raises:
        SpecError: The file cannot be read or has faults; the message lists all of them.
    """
    spec, found = read_spec(file, overrides)
    for remark in found:
        warnings.warn(str(remark), stacklevel=2)
    return spec


def read_spec(
    file: Path | str | Mapping[str, Any], overrides: Sequence[Override] = ()
) -> tuple[SweepSpec, list[Fault]]:
    """Return the spec that :func:`load_spec` returns, and its warnings.

    Raises:
        SpecError: The file cannot be read or has faults; the message lists all of them.
    """
    if isinstance(file, Mapping):
        source = Source.from_mapping(file, overrides)
    else:
        source = Source.read(Path(file), overrides)
    faults = [*source.faults(), *schema_faults(source), *parameter_faults(source)]
    faults += conflicts(source, faults)
    if faults:
        raise SpecError(sorted(faults, key=source.order))
    spec = SweepSpec.model_validate(source.content)
    return spec, remarks(spec, source)

"""Start a sweep's sampler with the trials of an earlier sweep."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from sweeps.analysis.loading import load
from sweeps.errors import SweepError
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger
from sweeps.search.replay import ended_trials
from sweeps.spec.model import SweepSpec


def scored_trials(spec: SweepSpec, folder: Path) -> list[dict[str, Any]]:
    """Return, as JSON values, the ended trials of a sweep that have a score.

    Args:
        spec: A spec of the same space.
        folder: The sweep's folder.
    """
    past = Past.read(read_ledger(folder.name, folder.parent))
    return [
        {
            "params": trial.params,
            "state": trial.state.name,
            "values": trial.values if trial.state is TrialState.COMPLETE else None,
            "reports": [*trial.intermediate_values.items()],
            "constraints": trial.constraints,
        }
        for trial in ended_trials(spec.space, spec.metric, past, constraints=spec.parsed_constraints)
        if trial.state is not TrialState.FAIL
    ]


COMPARED = ("train", "dataset", "image_size", "channels", "extractor", "reference", "metric")
IGNORED = {"seed"}
"""Parameters that may differ: scores do not depend on their range."""


def earlier_sweep(spec: SweepSpec, name: str, results: Path) -> Path:
    """Return the folder of an earlier sweep, after a check that its scores are comparable with ``spec``'s.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: Its space, dataset, metric or extractor differs; the message lists the differences.
    """
    sweep = load(name, results)
    differences = [*_differences(spec.model_dump(mode="json"), sweep.facts["spec"])]
    if differences:
        raise SweepError(f"--warm-start {name}: its scores are not comparable: {'; '.join(differences)}")
    return sweep.folder


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for key in COMPARED:
        then = theirs[key] if key in theirs else SweepSpec.model_fields[key].default
        if ours[key] != then:
            yield f"{key} was {_in_short(then)}, it is {_in_short(ours[key])}"
    parameters = ours["parameters"], theirs["parameters"]
    for name in dict.fromkeys([*parameters[0], *parameters[1]]):
        now, then = (each.get(name) for each in parameters)
        if now != then and name not in IGNORED:
            yield f"parameters.{name} was {_in_short(then)}, it is {_in_short(now)}"


def _in_short(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_short(each)}" for key, each in value.items() if each) or "the default"
    if isinstance(value, list):
        return "[" + ", ".join(map(_in_short, value)) + "]"
    return "the default" if value is None else str(value)

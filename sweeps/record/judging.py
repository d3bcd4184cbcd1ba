"""Judge a trial of a record by constraints on its metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.record.status import FAILURES
from sweeps.spec.constraints import Constraint, are_met, parsed


def constraints_of(facts: Mapping[str, Any]) -> list[Constraint]:
    """Return the constraints of a record's sweep."""
    return parsed(facts["spec"].get("constraints") or [])


def judged_metrics(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial is judged by: the final scores, and the metrics of the best report beside them."""
    return {**(row["best_metrics"] or {}), **(row["final"] or {})}


def is_feasible(constraints: Sequence[Constraint], row: Mapping[str, Any]) -> bool | None:
    """Return whether a trial of a record meets all constraints; None if that is unknown, or it failed."""
    return None if row["status"] in FAILURES else are_met(constraints, judged_metrics(row))

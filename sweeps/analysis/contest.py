"""Choose the comparison of finalists that is a sweep's result, and the looks that it allows for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeps.record.past import UNFINISHED
from sweeps.record.reading import Record
from sweeps.record.status import Status

if TYPE_CHECKING:
    from sweeps.spec.sections import Confirm

FINISHED = "finished"
"""The key of the last finished confirmation in the record's facts of a later one."""


@dataclass(frozen=True)
class Contest:
    """The comparison of finalists that is a sweep's result.

    Args:
        finalists: The trials of the search that have the configurations.
        looks: The numbers of seeds after which finalists are compared, ascending.
        taken: The smaller numbers of seeds after which finalists were compared before.
        until_resolved: Whether finalists significantly worse than the winner got no further seeds.
        is_finished: Whether the finalists can be judged.
        is_continued: Whether a later confirmation has begun and not ended.
    """

    finalists: list[str]
    looks: tuple[int, ...]
    taken: tuple[int, ...] = ()
    until_resolved: bool = False
    is_finished: bool = True
    is_continued: bool = False

    @property
    def all_looks(self) -> tuple[int, ...]:
        """All numbers of seeds after which finalists are or were compared, ascending."""
        return (*self.taken, *self.looks)


def contest_of(record: Record) -> Contest | None:
    """Return the comparison that is the result of a sweep's confirmations; None without a confirmation.

    The last confirmation is the result. If it is not finished, an earlier finished one remains the result,
    and seeds that its finalists have got since then count. Once every finalist of both has ended on as many
    seeds as can be judged, the finalists of both are compared.
    """
    facts = record.facts.get("confirmation")
    if facts is None:
        return None
    settings, finalists = _asked(facts)
    is_finished = facts["status"] == Status.COMPLETED
    if is_finished or FINISHED not in facts:
        return _contest(record, settings, finalists, settings.seeds, is_finished=is_finished)
    before, known = _asked(facts[FINISHED])
    together = list(dict.fromkeys([*known, *finalists]))
    has_more_seeds = max(_n_seeds(record, known).values()) > before.seeds
    n_seeds = max(before.seeds, settings.seeds) if has_more_seeds else before.seeds
    least = settings.seeds if settings.until_resolved else min(before.seeds, settings.seeds)
    can_be_judged = all(n >= least for n in _n_seeds(record, together).values())
    if can_be_judged and (has_more_seeds or set(together) > set(known)):
        return _contest(record, settings, together, n_seeds, is_continued=True)
    return _contest(record, before, known, n_seeds, is_continued=True)


def _contest(
    record: Record, settings: "Confirm", finalists: list[str], n_seeds: int, **state: bool
) -> Contest:
    """Return the comparison of finalists; one of a fixed number of seeds allows for ``n_seeds`` at least."""
    looks = settings.looks
    if not settings.until_resolved:
        looks = (max([n_seeds, *_n_seeds(record, finalists).values()]),)
    taken = looks_taken(record.facts, looks[0])
    return Contest(finalists, looks, taken, settings.until_resolved, **state)


def looks_taken(facts: Mapping[str, Any], below: int) -> tuple[int, ...]:
    """Return the numbers of seeds below a number after which confirmations of a sweep compared finalists.

    Each confirmation that the sweep's file or a command asked for counts, also if it was stopped.
    """
    from sweeps.spec.sections import Confirm

    changes = facts.get("changes", [])
    asked = [facts["spec"].get("confirm"), (facts.get("confirmation") or {}).get("settings")]
    asked += [change.get(key) for change in changes for key in ("confirm", "settings")]
    looks = {look for each in filter(None, asked) for look in Confirm.model_validate(each).looks}
    return tuple(sorted(look for look in looks if look < below))


def begun(facts: Mapping[str, Any], settings: "Confirm", finalists: Sequence[str]) -> dict[str, Any]:
    """Return the record's facts of a confirmation that begins, with the last finished one before it.

    Args:
        facts: The record's facts of the sweep.
        settings: The settings of the confirmation that begins.
        finalists: Its finalists.
    """
    last = facts.get("confirmation") or {}
    is_finished = last.get("status") == Status.COMPLETED
    finished = {key: last[key] for key in ("settings", "finalists")} if is_finished else last.get(FINISHED)
    own = {"settings": settings.model_dump(), "finalists": list(finalists)}
    return own | ({FINISHED: finished} if finished else {})


def finalists_in(facts: Mapping[str, Any]) -> set[str]:
    """Return the finalists of the last confirmation, and of the last finished one."""
    last = facts.get("confirmation") or {}
    return {*last.get("finalists", []), *last.get(FINISHED, {}).get("finalists", [])}


def has_result_of(facts: Mapping[str, Any], settings: "Confirm", finalists: Iterable[str]) -> bool:
    """Return whether the last confirmation has ended and compared these finalists on as many seeds."""
    last = facts.get("confirmation") or {}
    if last.get("status") != Status.COMPLETED:
        return False
    before, known = _asked(last)
    is_part = not settings.until_resolved and settings.seeds <= before.seeds
    return (settings == before or is_part) and set(finalists) <= set(known)


def replica_id(of: str, place: int) -> str:
    """Return the name of a confirmation's training.

    >>> replica_id("lsgan-0007", 0)
    'lsgan-0007-seed1'
    """
    return f"{of}-seed{place + 1}"


def _asked(facts: Mapping[str, Any]) -> tuple["Confirm", list[str]]:
    from sweeps.spec.sections import Confirm

    return Confirm.model_validate(facts["settings"]), list(facts["finalists"])


def _n_seeds(record: Record, names: Iterable[str]) -> dict[str, int]:
    """Return on how many seeds, without a gap, the trainings of each configuration have ended."""
    ended = {row["trial_id"] for row in record.replicas if row["status"] not in UNFINISHED}
    found = dict.fromkeys(names, 0)
    for name in found:
        while replica_id(name, found[name]) in ended:
            found[name] += 1
    return found

"""Run many replays, one process per core, and keep their results in a file that later runs add to."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

from rich.progress import track

from benchmarks.search.replay import Replay, replay
from benchmarks.search.rules import rule
from benchmarks.search.world import SOURCES, RecordedWorld

LOWEST_PRIORITY = 15
"""The nice value of the processes: replays leave the machine to others."""


@dataclass(frozen=True)
class Job:
    """A replay to run: a rule, as text, in a world with a seed."""

    world: str
    rule: str
    seed: int
    budget: int


class _Worker:
    """The worlds of a process, each fitted once."""

    worlds: ClassVar[dict[str, RecordedWorld]] = {}

    @classmethod
    def start(cls) -> None:
        """Lower the priority of the process."""
        os.nice(max(0, LOWEST_PRIORITY - os.nice(0)))

    @classmethod
    def run(cls, job: Job) -> tuple[Job, Replay]:
        """Run a replay."""
        if job.world not in cls.worlds:
            cls.worlds[job.world] = RecordedWorld.of(SOURCES[job.world])
        return job, replay(rule(job.rule), job.seed, cls.worlds[job.world], job.budget)


@dataclass(frozen=True)
class Store:
    """A file of finished replays, a JSON object a line; None keeps nothing.

    Replays of other recordings are ignored: each line has a digest of its world's recordings.
    """

    file: Path | None

    def read(self) -> dict[Job, Replay]:
        """Return the finished replays, without lines that were cut short."""
        found: dict[Job, Replay] = {}
        lines = self.file.read_text().splitlines() if self.file and self.file.exists() else []
        for line in lines:
            try:
                content: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            job = Job(**content["job"])
            if content["recordings"] == digest(job.world):
                found[job] = Replay(**content["replay"])
        return found

    def add(self, job: Job, done: Replay) -> None:
        """Add a finished replay."""
        if self.file:
            content = {
                "recordings": digest(job.world),
                "job": vars(job),
                "replay": vars(done) | {"log": []},
            }
            with self.file.open("a") as lines:
                lines.write(f"{json.dumps(content)}\n")


@lru_cache
def digest(world: str) -> str:
    """Return a digest of the recordings of a world: of its curves and its noise."""
    source, found = SOURCES[world], sha256()
    found.update(source.recorded().curves.tobytes())
    for noise in source.seed_noise().values():
        for deviations in noise.deviations:
            found.update(deviations.tobytes())
    return found.hexdigest()[:16]


def jobs(worlds: Iterable[str], rules: Sequence[str], seeds: int, budget: int) -> list[Job]:
    """Return the replays to run; all rules have the same seeds, and the first seeds come first."""
    return [Job(world, text, seed, budget) for seed in range(seeds) for world in worlds for text in rules]


def run(wanted: Sequence[Job], processes: int, store: Store) -> dict[Job, Replay]:
    """Run the replays that the store does not have, and return all."""
    known = store.read()
    found = {job: known[job] for job in wanted if job in known}
    waiting = [job for job in wanted if job not in found]
    for job, done in track(_runs(waiting, processes), "Replays", total=len(waiting)):
        found[job] = done
        store.add(job, done)
    return {job: found[job] for job in wanted}


def _runs(waiting: Sequence[Job], processes: int) -> Iterator[tuple[Job, Replay]]:
    if not waiting:
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _Worker.start) as pool:
        yield from pool.map(_Worker.run, waiting)


Replays = Mapping[str, Sequence[Replay]]
"""The replays of each rule, by seed."""


def by_rule(found: Mapping[Job, Replay], world: str) -> dict[str, list[Replay]]:
    """Return a world's replays for each rule, by seed."""
    chosen: dict[str, list[Replay]] = {}
    for job, done in found.items():
        if job.world == world:
            chosen.setdefault(job.rule, []).append(done)
    return chosen

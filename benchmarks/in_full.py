"""Measure how soon real searches find a good generator: ``python -m benchmarks.in_full``.

A round takes 40 minutes. Each search that ``benchmarks.time_to_fid`` replays runs by the command that its
user would type, for the same time. ``--rounds`` repeats all of them in turns, each round with other seeds,
and ``--keep`` lets a later command continue the rounds of an earlier one. Times start at Enter. Two searches
are compared, in each round, by their lowest fids and by their times to the lowest fid that both reached. The
lowest of many observed fids flatters every search, and most the search that makes most trials. The seed
tutorial's defaults are trained first. The command writes ``benchmarks/IN_FULL.md``.
"""

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import exp, inf, log
from pathlib import Path
from signal import SIGINT
from statistics import mean, median, stdev
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import psutil
import torch
from rich.console import Console
from scipy.stats import t

import sweeps
from benchmarks.figures import Figure, conclude, page
from benchmarks.startup import COMMAND
from benchmarks.time_to_fid import LEAST_RATIOS, OURS
from benchmarks.worlds import WORLDS
from gan_core import Evaluator, TrialConfig, keep_freed_memory, load_dataset, train
from sweeps.driver.environment import environment
from sweeps.errors import SweepError
from sweeps.words import duration

OUTPUT = Path(__file__).with_name("IN_FULL.md")
NAME = "in-full"
WORLD = WORLDS["mlp-lsgan-4000"]
MOST_TRIALS = 1000
LEAST_FID_RATIO = 6.0
NUMBER = re.compile(r"\d+\.\d+")
LOOK_EVERY_S, PATIENCE_S = 2.0, 30.0
METHODS = {OURS: ("tpe", "asha"), "random search": ("random", "none")}
PEERS = {"Ray Tune": "benchmarks.peers.ray_tune_search", "Optuna": "benchmarks.peers.plain_optuna"}


@dataclass(frozen=True)
class Search:
    """A search as its user runs it.

    Args:
        command: The command.
        fids: Returns the fids that it has reported so far.
    """

    command: Sequence[str]
    fids: Callable[[], Sequence[float]]


def prepared(name: str, seed: int, folder: Path) -> Search:
    """Return a search of the recorded trials' space that writes into a folder.

    The peers draw a seed themselves.
    """
    if name in PEERS:
        command = [sys.executable, "-m", PEERS[name], "--trials", str(MOST_TRIALS)]
        return Search(command, lambda: _printed(folder / "stdout"))
    file = folder / f"{NAME}.yaml"
    file.write_text(json.dumps(space_file(*METHODS[name], seed)), encoding="utf-8")
    command = [sys.executable, "-c", COMMAND, str(file), "--results", str(folder)]
    return Search(command, lambda: _reported(folder))


def space_file(method: str, early_terminate: str, seed: int) -> dict[str, object]:
    """Return the content of a search-space file with the recorded trials' space."""
    fixed = {name: {"value": value} for name, value in WORLD.fixed.items()}
    searched = {
        name: domain.model_dump(mode="json", exclude_none=True) for name, domain in WORLD.space.items()
    }
    return {
        "name": NAME,
        "dataset": "mnist-5k",
        "method": method,
        "seed": seed,
        "metric": {"name": "fid", "goal": "minimize"},
        "trials": MOST_TRIALS,
        "parameters": fixed | searched,
        "early_terminate": {"type": early_terminate},
        "resources": {"cpu": 1},
        "confirm": None,
    }


def _printed(file: Path) -> list[float]:
    *lines, _unfinished = file.read_text(encoding="utf-8").split("\n")
    return [float(line) for line in lines if NUMBER.fullmatch(line)]


def _reported(results: Path) -> list[float]:
    try:
        return list(sweeps.load(NAME, results).history["fid"])
    except (SweepError, KeyError):
        return []


@contextmanager
def running(search: Search, folder: Path) -> Iterator[psutil.Popen]:
    """Run a search, and end all of its processes afterwards."""
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        environment = os.environ | {"RAY_ADDRESS": "local"}
        process = psutil.Popen(search.command, stdout=stdout, stderr=stderr, env=environment)
        try:
            yield process
        finally:
            if process.poll() is None:
                family = [process, *process.children(recursive=True)]
                process.send_signal(SIGINT)
                _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
                for each in alive:
                    each.kill()
                psutil.wait_procs(alive, timeout=PATIENCE_S)


Course = list[tuple[float, float]]
"""The improvements of a search: the seconds from Enter, and the new lowest fid."""


def course(name: str, seed: int, limit_s: float) -> Course:
    """Run a search for ``limit_s`` seconds, and return its improvements.

    Raises:
        RuntimeError: The search ended before the limit, or reported no fid.
    """
    with TemporaryDirectory() as path:
        folder, started = Path(path), monotonic()
        search, improvements = prepared(name, seed, folder), Course()
        with running(search, folder) as process:
            while (taken_s := monotonic() - started) < limit_s:
                if process.poll() is not None:
                    raise RuntimeError((folder / "stderr").read_text(encoding="utf-8"))
                least = min(search.fids(), default=inf)
                if least < least_fid(improvements):
                    improvements.append((taken_s, least))
                sleep(LOOK_EVERY_S)
        if not improvements:
            raise RuntimeError(f"{name} has reported no fid after {duration(limit_s)}")
        return improvements


def least_fid(improvements: Course, until_s: float = inf) -> float:
    """Return the lowest fid up to ``until_s``; infinity before the first."""
    return min((fid for taken_s, fid in improvements if taken_s <= until_s), default=inf)


def seconds_to(fid: float, improvements: Course) -> float:
    """Return the seconds until the lowest fid was at most ``fid``; infinity if it never was."""
    return next((taken_s for taken_s, least in improvements if least <= fid), inf)


def defaults_fid() -> float:
    """Train the tutorial's defaults for as many steps as a trial, and return their lowest fid."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data = load_dataset("mnist-5k")
    config = TrialConfig.model_validate({**WORLD.fixed, "loss": "lsgan"})
    return min(report.metrics["fid"] for report in train(config, data, Evaluator(data)))


Courses = Mapping[str, Sequence[Course]]
"""The courses of each search, by round."""


@dataclass(frozen=True)
class Store:
    """A file of finished searches, a JSON object a line; None keeps nothing."""

    file: Path | None

    def read(self, minutes: int) -> dict[tuple[str, int], Course]:
        """Return the courses of the searches that had as many minutes, by name and round."""
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file and self.file.exists() else []
        found = [json.loads(line) for line in lines]
        return {
            (each["name"], each["round"]): [tuple(improvement) for improvement in each["course"]]
            for each in found
            if each["minutes"] == minutes
        }

    def add(self, name: str, number: int, minutes: int, found: Course) -> None:
        """Add a finished search."""
        if self.file:
            content = {"name": name, "round": number, "minutes": minutes, "course": found}
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(f"{json.dumps(content)}\n")


def figures(names: Sequence[str], minutes: int, rounds: int, store: Store) -> Iterator[list[Figure]]:
    """Run this project's search and the named ones for ``minutes`` each; yield the figures after each round.

    Searches that the store has are not run again.
    """
    defaults, known = defaults_fid(), store.read(minutes)
    courses: dict[str, list[Course]] = {name: [] for name in (OURS, *names)}
    for number in range(rounds):
        for name, each in courses.items():
            if (name, number) not in known:
                known[name, number] = course(name, number, minutes * 60)
                store.add(name, number, minutes, known[name, number])
            each.append(known[name, number])
            Console(stderr=True).print(f"{name}: {least_fid(each[-1]):.3g}", highlight=False)
        yield compared(defaults, courses, minutes)


def compared(defaults: float, courses: Courses, minutes: int) -> list[Figure]:
    """Return the lowest fids, minute by minute, and the ratios of the fids and times of each round."""
    others = {name: each for name, each in courses.items() if name != OURS}
    least = Figure.of("this project's lowest fid", [least_fid(each) for each in courses[OURS]])
    return [
        replace(least, peers={"the defaults'": defaults}),
        *(_after(minute, courses) for minute in range(1, minutes + 1)),
        *(figure for name in others for figure in against(name, courses[OURS], others[name])),
    ]


def _after(minute: int, courses: Courses) -> Figure:
    fids = {name: [least_fid(each, minute * 60) for each in done] for name, done in courses.items()}
    ours = Figure.of(f"its lowest fid after {minute} min", fids.pop(OURS))
    return replace(ours, peers={name: median(each) for name, each in fids.items()})


def against(name: str, ours: Sequence[Course], theirs: Sequence[Course]) -> list[Figure]:
    """Return how much lower this project's fids are, how many rounds it loses, and the ratio of the times."""
    fids = [least_fid(b) / least_fid(a) for a, b in zip(ours, theirs, strict=True)]
    times = [time_ratio(a, b) for a, b in zip(ours, theirs, strict=True)]
    asked = LEAST_FID_RATIO if name in PEERS else None
    return [
        Figure.of(f"times as high a lowest fid by {name}", fids, asked, is_at_most=False),
        *_mean_ratio(name, fids),
        Figure(f"rounds lost to {name}", sum(ratio < 1 for ratio in fids)),
        Figure.of(
            f"times as long by {name}, to the lowest fid of both", times, LEAST_RATIOS[name], is_at_most=False
        ),
    ]


def _mean_ratio(name: str, ratios: Sequence[float]) -> list[Figure]:
    """Return the geometric mean of ratios with its 95 % interval by Student's t; nothing for one ratio."""
    if len(ratios) == 1:
        return []
    logs = [log(ratio) for ratio in ratios]
    low, high = t.interval(0.95, len(logs) - 1, mean(logs), stdev(logs) / len(logs) ** 0.5)
    label = f"geometric mean of these ratios, {name} (spread: 95 % interval)"
    return [Figure(label, exp(mean(logs)), (exp(low), exp(high)))]


def time_ratio(ours: Course, theirs: Course) -> float:
    """Return the ratio of the times to the lowest fid that both searches reached."""
    both = max(least_fid(ours), least_fid(theirs))
    return seconds_to(both, theirs) / seconds_to(both, ours)


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        default=[*LEAST_RATIOS],
        help=f"the searches to compare with: {', '.join(LEAST_RATIOS)} (all)",
    )
    parser.add_argument("--minutes", type=int, default=10, help="minutes of each search (10)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each search runs, in turns (1)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep searches in FILE; skip those it has")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"the page ({OUTPUT.name})")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(LEAST_RATIOS):
        parser.error(f"no search {', '.join(sorted(unknown))}; there are {', '.join(LEAST_RATIOS)}")
    where, done = environment(), list[Figure]()
    command = shlex.join(["python", "-m", "benchmarks.in_full", *sys.argv[1:]])
    for done in figures(asked.names, asked.minutes, asked.rounds, Store(asked.keep)):
        asked.output.write_text(page({NAME: done}, command, where), encoding="utf-8")
    conclude(done)


if __name__ == "__main__":
    main()

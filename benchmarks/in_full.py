"""How soon real searches have a good generator: ``python -m benchmarks.in_full``, hours.

Each of the searches that ``benchmarks.time_to_fid`` replays is run once, by the command that its user would
type, until the fid of one of its reports is at most a tenth of that of the seed tutorial's defaults, which
are trained first. The time is that from Enter. Another search is broken off once it has taken as many times
this project's time as was asked. Writes ``benchmarks/IN_FULL.md``.
"""

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import psutil
import torch
from rich.console import Console

import sweeps
from benchmarks.figures import Figure, conclude, page
from benchmarks.record import REPORTS
from benchmarks.startup import COMMAND
from benchmarks.time_to_fid import DESIGN, LEAST_RATIOS, MOST_TRIALS, OURS, SHARE_OF_DEFAULTS
from gan_core import Evaluator, TrialConfig, keep_freed_memory, load_dataset, train
from sweeps.errors import SweepError
from sweeps.words import duration

OUTPUT = Path(__file__).with_name("IN_FULL.md")
NAME = "in-full"
NUMBER = re.compile(r"\d+\.\d+")
LOOK_EVERY_S, PATIENCE_S = 2.0, 30.0
METHODS = {OURS: ("tpe", "asha"), "random search": ("random", "none")}
PEERS = {"Ray Tune": "benchmarks.peers.ray_tune_search", "Optuna": "benchmarks.peers.plain_optuna"}


@dataclass(frozen=True)
class Search:
    """A search as its user runs it.

    Args:
        command: What is typed.
        fids: Reads what it has reported so far.
    """

    command: Sequence[str]
    fids: Callable[[], Sequence[float]]


def prepared(name: str, folder: Path) -> Search:
    """Return a search of the recorded trials' space, which writes to a folder."""
    if name in PEERS:
        command = [sys.executable, "-m", PEERS[name], "--trials", str(MOST_TRIALS * REPORTS)]
        return Search(command, lambda: _printed(folder / "stdout"))
    file = folder / f"{NAME}.yaml"
    file.write_text(json.dumps(space_file(*METHODS[name])), encoding="utf-8")
    command = [sys.executable, "-c", COMMAND, str(file), "--results", str(folder)]
    return Search(command, lambda: _reported(folder))


def space_file(method: str, early_terminate: str) -> dict[str, object]:
    """Return what a search-space file of this project says of the recorded trials' space."""
    fixed = {name: {"value": value} for name, value in DESIGN.fixed.items()}
    searched = {
        name: domain.model_dump(mode="json", exclude_none=True) for name, domain in DESIGN.space.items()
    }
    return {
        "name": NAME,
        "dataset": "mnist-5k",
        "method": method,
        "metric": {"name": "fid", "goal": "minimize"},
        "trials": MOST_TRIALS * REPORTS,
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
    """Run a search, and leave no process of it."""
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


@dataclass(frozen=True)
class Outcome:
    """How far a search came, after how many seconds."""

    fid: float
    taken_s: float


def outcome(name: str, goal: float, limit_s: float) -> Outcome:
    """Run a search until it has reported a fid of at most ``goal``, or to the limit.

    Raises:
        RuntimeError: It ended before.
    """
    with TemporaryDirectory() as path:
        folder, started = Path(path), monotonic()
        search = prepared(name, folder)
        with running(search, folder) as process:
            while True:
                has_ended = process.poll() is not None
                now = Outcome(min(search.fids(), default=float("inf")), monotonic() - started)
                if now.fid <= goal or now.taken_s >= limit_s:
                    return now
                if has_ended:
                    raise RuntimeError((folder / "stderr").read_text(encoding="utf-8"))
                sleep(LOOK_EVERY_S)


def defaults_fid() -> float:
    """Train the seed tutorial's defaults as long as every trial may, and return their least fid."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data = load_dataset("mnist-5k")
    config = TrialConfig.model_validate({**DESIGN.fixed, "loss": "lsgan"})
    return min(report.metrics["fid"] for report in train(config, data, Evaluator(data)))


def figures(names: Sequence[str], most_s: float) -> Iterator[list[Figure]]:
    """Run this project's search and others, one after another, and yield the figures so far after each.

    Args:
        names: The others; none is run where this project's own does not come to the goal.
        most_s: Seconds after which this project's is broken off.
    """
    goal = SHARE_OF_DEFAULTS * defaults_fid()
    ours = _told(OURS, outcome(OURS, goal, most_s))
    done = [
        Figure("a tenth of the defaults' fid", goal),
        Figure("seconds of this project's search", ours.taken_s),
        Figure("its least fid", ours.fid, asked=goal),
    ]
    yield done
    for name in names if ours.fid <= goal else ():
        theirs = _told(name, outcome(name, goal, LEAST_RATIOS[name] * ours.taken_s))
        what = f"times as long by {name}" + ("" if theirs.fid <= goal else ", broken off")
        ratio = theirs.taken_s / ours.taken_s
        done.append(
            Figure(what, ratio, asked=LEAST_RATIOS[name], is_at_most=False, peers={"fid": theirs.fid})
        )
        yield done


def _told(name: str, outcome: Outcome) -> Outcome:
    told = f"{name}: fid {outcome.fid:.3g} after {duration(outcome.taken_s)}"
    Console(stderr=True).print(told, highlight=False)
    return outcome


def main() -> None:
    """Run what the command line asks for; exit with 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*LEAST_RATIOS], help=f"{', '.join(LEAST_RATIOS)} (all)")
    parser.add_argument("--most-s", type=float, default=3600, help="seconds of this project's search (3600)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"({OUTPUT.name})")
    asked, done = parser.parse_args(), []
    if unknown := set(asked.names) - set(LEAST_RATIOS):
        parser.error(f"no search {', '.join(sorted(unknown))}; there are {', '.join(LEAST_RATIOS)}")
    for done in figures(asked.names, asked.most_s):
        text = page({NAME: done}, shlex.join(["python", "-m", "benchmarks.in_full", *sys.argv[1:]]))
        asked.output.write_text(text, encoding="utf-8")
    conclude(done)


if __name__ == "__main__":
    main()

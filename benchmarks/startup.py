"""Time commands from Enter: ``python -m benchmarks.startup``.

The benchmark times ``--help``, ``list`` and ``rank`` as whole processes, and a sweep from Enter to its first
message and to its first training step. The processes run in turn.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, time

from benchmarks.figures import Figure, conclude
from benchmarks.first_step import FILE
from benchmarks.instant import SPEC
from benchmarks.tracking import trial
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.spec.reading import load_spec

MOST_S = {"--help": 0.4, "list": 0.6, "rank": 1.0}
MOST_UNTIL_MESSAGE_S, MOST_UNTIL_STEP_S = 1.0, 8.0
COMMAND = "from sweeps.cli import main; main()"
WATCHED = (
    "from sweeps.cluster import connection; connection.TRIAL_MODULES += ('benchmarks.first_step',);"
    f" {COMMAND}"
)
SHORT = (
    *("--set", "parameters.steps=20"),
    *("--set", "parameters.report_every=10"),
    *("--set", "confirm=null"),
    *("--trials", "2"),
)
TRIALS = 16
"""On Ray's workers' import path, for :mod:`benchmarks.first_step`: workers do not search their own folder."""


def small_sweep(results: Path) -> None:
    """Write the record of a completed sweep."""
    spec = load_spec(SPEC)
    folder = create_sweep_folder(results, spec.name, exact=True)
    ledger = Ledger(folder, spec.model_dump(mode="json"))
    ledger.describe({"floors": {"fid": 7.1}, "extractor": "sha256:0"})
    for number in range(TRIALS):
        each, scores = trial(number), {"fid": 50.0 + number}
        ledger.start(each)
        ledger.report(each.trial_id, 240, scores, scores["fid"])
        ledger.end(each.trial_id, Status.COMPLETED, final=scores)
    ledger.close(Status.COMPLETED)


def command_s(*arguments: str) -> float:
    """Return the seconds of a whole command."""
    started = perf_counter()
    subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return perf_counter() - started


def start_s() -> tuple[float, float]:
    """Return the seconds until the first message of a sweep, and until its first training step."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "steps"
        command = [sys.executable, "-c", WATCHED, str(SPEC), *SHORT, "--results", folder]
        started = time()
        environment = os.environ | {FILE: str(file)}
        process = subprocess.Popen(  # noqa: S603 - no user input
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        with process:
            if process.stderr is None:
                raise RuntimeError("stderr is a pipe")
            process.stderr.readline()
            message_s = time() - started
            process.communicate()
        return message_s, min(map(float, file.read_text(encoding="utf-8").split())) - started


def figures(*, rounds: int = 5) -> list[Figure]:
    """Measure every command once per round."""
    arguments = {"--help": [], "list": [], "rank": ["lsgan"]}
    taken: dict[str, list[float]] = {command: [] for command in arguments}
    starts = []
    with TemporaryDirectory() as folder:
        small_sweep(Path(folder))
        for _ in range(rounds):
            for command, more in arguments.items():
                where = [] if command == "--help" else ["--results", folder]
                taken[command].append(command_s(command, *more, *where))
            starts.append(start_s())
    messages, steps = zip(*starts, strict=True)
    return [
        *(Figure.of(f"{command}, s", taken[command], most) for command, most in MOST_S.items()),
        Figure.of("from Enter to the first message, s", messages, MOST_UNTIL_MESSAGE_S),
        Figure.of("from Enter to the first training step, s", steps, MOST_UNTIL_STEP_S),
    ]


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    conclude(figures(rounds=parser.parse_args().rounds))


if __name__ == "__main__":
    main()

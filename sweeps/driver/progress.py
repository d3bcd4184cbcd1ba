"""Show a sweep while it runs, and log what is shown."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from gan_core.accuracy import Accuracy
from sweeps.record.judging import is_feasible
from sweeps.record.past import Past
from sweeps.record.status import FAILURES, Status
from sweeps.record.trial import Trial
from sweeps.spec.constraints import Constraint
from sweeps.spec.sections import Metric
from sweeps.words import counted, duration, format_params

LOG = logging.getLogger("sweeps")


SECONDS_BETWEEN_LINES = 10.0


class _Lines:
    """Prints lines that differ, at most one every 10 seconds, the first one after 10 seconds.

    Args:
        out: Prints a line.
    """

    def __init__(self, out: Callable[[str], None]) -> None:
        self._out = out
        self._printed, self._at = "", monotonic()

    def add(self, line: str) -> None:
        """Print a line, unless it is too early or the line equals the previous one."""
        if line != self._printed and monotonic() - self._at >= SECONDS_BETWEEN_LINES:
            self._printed, self._at = line, monotonic()
            self._out(line)


@dataclass(frozen=True)
class Terminal:
    """Shows what is being done.

    Args:
        console: A terminal, a notebook, or a file that gets one line an event.
        is_quiet: Whether to show nothing.
        is_verbose: Whether the log is shown (:mod:`sweeps.driver.log`), which has a line for each event.
    """

    console: Console
    is_quiet: bool = False
    is_verbose: bool = False

    @property
    def is_live(self) -> bool:
        """Whether what is shown can be drawn again in place."""
        return not self.is_quiet and (self.console.is_terminal or self.console.is_jupyter)

    def say(self, text: str, level: int = logging.INFO) -> None:
        """Log an event, and print it as one line."""
        LOG.log(level, text)
        if not self.is_quiet and not self.is_verbose:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def announced(self, activity: str) -> Iterator[Callable[[str], None]]:
        """Show an activity until the end of the block, and yield a function that shows its progress.

        A terminal has one line with a spinner, drawn again in place. A file gets a new line for progress, as
        does the log, at most every 10 seconds.
        """
        out = LOG.info if self.is_live else self.say
        out(activity)
        lines = _Lines(out)
        with self.console.status(Text(activity)) if self.is_live else nullcontext() as status:

            def show(progress: str) -> None:
                line = f"{activity}: {progress}"
                if status:
                    status.update(Text(line))
                lines.add(line)

            yield show


class Display:
    """Shows the trials of a stage: drawn in place in a terminal or a notebook, else a line for each event.

    Args:
        terminal: Shows it.
        name: The sweep's name.
        n_trials: The number of trials, those of earlier runs included.
        metric: The metric to compare trials by.
        past: The trials of earlier runs.
        constraints: The bounds on metrics that the best trial must meet.
    """

    def __init__(
        self,
        terminal: Terminal,
        name: str,
        n_trials: int,
        metric: Metric,
        past: Past,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self._metric = metric.name
        self._sign = 1 if metric.goal == "minimize" else -1
        self._terminal = terminal
        self._name = name
        self._n_trials = n_trials
        self._ended = Counter(past.ended.values())
        self._ended_before = self._ended.total()
        self._running: dict[str, tuple[Trial, int, float | None]] = {}
        self._best_scores = {
            row["trial_id"]: (
                is_feasible(constraints, row) is False,
                row["score"],
                past.trial(row["trial_id"]),
            )
            for row in past.rows
            if row["score"] is not None and row["status"] not in FAILURES
        }
        self._note = self._yardstick = ""
        self._leader: tuple[str, float, int] | None = None
        self._started = monotonic()
        self._live = Live(self, console=terminal.console, transient=True) if terminal.is_live else None

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, note: str) -> None:
        """Show an activity before the first trial runs, or after the last one."""
        self._note = note
        self._line(note)

    def measured(self, accuracy: Accuracy) -> None:
        """Show how good the classifier is that measures the scores."""
        self._yardstick = f"The classifier that measures the scores is {accuracy}"
        self._line(self._yardstick, logging.WARNING if accuracy.is_weak else logging.INFO)

    def lead(self, leader: tuple[str, float, int] | None) -> None:
        """Show the best configuration by its mean over seeds: its first trial, the mean, and the seeds.

        None shows the trial with the best score.
        """
        self._leader = leader

    def start(self, trial: Trial) -> None:
        """Show that a trial has started."""
        if not self._running and self._ended.total() == self._ended_before:
            self._started = monotonic()
        self._note = ""
        self._running[trial.trial_id] = (trial, 0, None)
        LOG.info(f"{trial.trial_id} starts  {format_params(trial.params)}")

    def report(self, trial: Trial, step: int, score: float, meets: bool | None = True) -> None:  # noqa: FBT001, FBT002
        """Show a trial's score at a step, and whether its metrics meet the constraints, if that is known."""
        LOG.debug(f"{trial.trial_id} step {step} {self._metric} {score:.6g}")
        self._running[trial.trial_id] = (trial, step, score)
        now = meets is False, score, trial
        before = self._best_scores.get(trial.trial_id, now)
        self._best_scores[trial.trial_id] = min(before, now, key=lambda each: self._sign * each[1])

    def take_over(self, trial: Trial, donor: str, step: int) -> None:
        """Show that a trial continues from the weights of another trial, its donor."""
        self._line(
            f"{trial.trial_id} continues from {donor} at step {step} with {format_params(trial.params)}"
        )

    def mishap(self, trial: Trial, reason: str) -> None:
        """Show a fault that a trial survived."""
        self._line(f"{trial.trial_id}: {reason}", logging.WARNING)

    def end(
        self,
        trial: Trial,
        status: Status,
        score: float | None,
        reason: str | None = None,
        meets: bool | None = True,  # noqa: FBT001, FBT002 - unknown is a third value
    ) -> None:
        """Show how a trial ended, and whether it meets the constraints, if that is known."""
        _, step, _ = self._running.pop(trial.trial_id)
        self._ended[status] += 1
        if status in FAILURES:
            self._best_scores.pop(trial.trial_id, None)
        if trial.trial_id in self._best_scores and meets is False:
            self._best_scores[trial.trial_id] = (True, *self._best_scores[trial.trial_id][1:])
        if meets is False:
            reason = "; ".join([*([reason] if reason else []), "breaks a constraint"])
        scored = "" if score is None else f" {self._metric} {score:.4g}"
        because = f" ({reason})" if reason else ""
        self._line(
            f"[{self._ended.total()}/{self._n_trials}] {trial.trial_id} {status.words}"
            f" at step {step}{scored}{because}  {format_params(trial.params)}",
            logging.WARNING if status in FAILURES else logging.INFO,
        )

    def __rich__(self) -> Group:
        """Return the display, to be drawn by rich."""
        bar = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(40), TextColumn("{task.fields[state]}")
        )
        bar.add_task(self._name, total=self._n_trials, completed=self._ended.total(), state=self._state())
        parts: list[Progress | Text | Table] = [bar]
        if self._best_scores:
            parts.append(self._best())
        if self._running:
            parts.append(self._running_table())
        if self._yardstick:
            parts.append(Text(f"  {self._yardstick}", style="dim"))
        return Group(*parts)

    def _best(self) -> Text:
        """Return the line on the best trial or, after further seeds, on the best configuration."""
        is_out, score, trial = min(
            self._best_scores.values(), key=lambda best: (best[0], self._sign * best[1])
        )
        seeds = ""
        if self._leader:
            name, score, n_seeds = self._leader
            is_out, _, trial = self._best_scores[name]
            seeds = f" (estimated mean, {counted(n_seeds, 'seed')})"
        breaking = "breaks a constraint, as all do  " if is_out else ""
        return Text.assemble(
            "  best ",
            (f"{self._metric} {score:.4g}", "bold green"),
            f"{seeds} {trial.trial_id}  {breaking}",
            format_params(trial.params),
        )

    def _state(self) -> str:
        if self._note:
            return self._note
        diverged = f", {self._ended[Status.DIVERGED]} diverged" if self._ended[Status.DIVERGED] else ""
        counts = (
            f"{self._ended.total()}/{self._n_trials} trials, {len(self._running)} running,"
            f" {self._ended[Status.PRUNED]} stopped early{diverged}, {self._ended[Status.CRASHED]} failed"
        )
        return f"{counts}{self._time_left()}"

    def _time_left(self) -> str:
        done = self._ended.total()
        now = done - self._ended_before
        if now < 2:
            return ""
        seconds = (monotonic() - self._started) / now * (self._n_trials - done)
        return f", about {duration(seconds)} left"

    def _running_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for trial, step, score in list(self._running.values()):
            reached = "" if score is None else f"{self._metric} {score:.4g}"
            steps = f"step {step}/{trial.config['steps']}"
            table.add_row(f"  {trial.trial_id}", steps, reached, format_params(trial.params), style="dim")
        return table

    def _line(self, text: str, level: int = logging.INFO) -> None:
        if self._live:
            LOG.log(level, text)
        else:
            self._terminal.say(text, level)

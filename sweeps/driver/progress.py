"""What a person sees while a sweep runs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.sections import Metric
from sweeps.words import duration, format_params


@contextmanager
def announced(console: Console, what: str, *, quiet: bool) -> Iterator[None]:
    """Say what is being done while it is done."""
    if quiet:
        yield
    elif console.is_terminal:
        with console.status(Text(what)):
            yield
    else:
        console.print(what, markup=False, highlight=False, soft_wrap=True)
        yield


class Display:
    """One live display in a terminal; a line for each event elsewhere; nothing where it is quiet.

    Args:
        console: Where to draw.
        name: The sweep's name.
        trials: How many trials there will be.
        metric: What says which is better.
        ended: How trials ended in an earlier run.
        quiet: Whether to draw nothing.
    """

    def __init__(
        self,
        console: Console,
        name: str,
        trials: int,
        metric: Metric,
        *,
        ended: Iterable[Status] = (),
        quiet: bool = False,
    ) -> None:
        self._metric = metric.name
        self._sign = 1 if metric.goal == "minimize" else -1
        self._console = console
        self._name = name
        self._trials = trials
        self._ended = Counter(ended)
        self._ended_before = self._ended.total()
        self._running: dict[str, tuple[Trial, int, float | None]] = {}
        self._best: tuple[float, Trial] | None = None
        self._note = ""
        self._started = monotonic()
        self._quiet = quiet
        self._live = None if quiet or not console.is_terminal else Live(self, console=console, transient=True)

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, note: str) -> None:
        """Show what is being done before the first trial runs, or after the last."""
        self._note = note
        self._line(note)

    def start(self, trial: Trial) -> None:
        """Show that a trial has started."""
        if not self._running and self._ended.total() == self._ended_before:
            self._started = monotonic()
        self._note = ""
        self._running[trial.trial_id] = (trial, 0, None)

    def report(self, trial: Trial, step: int, score: float) -> None:
        """Show a trial's score at a step."""
        self._running[trial.trial_id] = (trial, step, score)
        if self._best is None or self._sign * score < self._sign * self._best[0]:
            self._best = (score, trial)

    def take_over(self, trial: Trial, donor: str, step: int) -> None:
        """Show that a trial goes on with another one's weights."""
        self._line(f"{trial.trial_id} goes on from {donor} at step {step} with {format_params(trial.params)}")

    def mishap(self, trial: Trial, reason: str) -> None:
        """Show what happened to a trial that goes on."""
        self._line(f"{trial.trial_id}: {reason}")

    def end(self, trial: Trial, status: Status, score: float | None, reason: str | None = None) -> None:
        """Show how a trial ended."""
        _, step, _ = self._running.pop(trial.trial_id)
        self._ended[status] += 1
        scored = "" if score is None else f" {self._metric} {score:.4g}"
        because = f" ({reason})" if reason else ""
        self._line(
            f"[{self._ended.total()}/{self._trials}] {trial.trial_id} {status.words}"
            f" at step {step}{scored}{because}  {format_params(trial.params)}"
        )

    def __rich__(self) -> Group:
        """Draw the display as it stands."""
        bar = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(40), TextColumn("{task.fields[state]}")
        )
        bar.add_task(self._name, total=self._trials, completed=self._ended.total(), state=self._state())
        parts: list[Progress | Text | Table] = [bar]
        if self._best:
            score, trial = self._best
            parts.append(
                Text.assemble(
                    "  best ",
                    (f"{self._metric} {score:.4g}", "bold green"),
                    f" {trial.trial_id}  ",
                    format_params(trial.params),
                )
            )
        if self._running:
            parts.append(self._running_table())
        return Group(*parts)

    def _state(self) -> str:
        if self._note:
            return self._note
        diverged = f", {self._ended[Status.DIVERGED]} diverged" if self._ended[Status.DIVERGED] else ""
        counts = (
            f"{self._ended.total()}/{self._trials} trials, {len(self._running)} running,"
            f" {self._ended[Status.PRUNED]} stopped early{diverged}, {self._ended[Status.CRASHED]} failed"
        )
        return f"{counts}{self._time_left()}"

    def _time_left(self) -> str:
        done = self._ended.total()
        now = done - self._ended_before
        if now < 2:
            return ""
        seconds = (monotonic() - self._started) / now * (self._trials - done)
        return f", about {duration(seconds)} left"

    def _running_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for trial, step, score in list(self._running.values()):
            reached = "" if score is None else f"{self._metric} {score:.4g}"
            steps = f"step {step}/{trial.config['steps']}"
            table.add_row(f"  {trial.trial_id}", steps, reached, format_params(trial.params), style="dim")
        return table

    def _line(self, text: str) -> None:
        if not self._quiet and not self._live:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

"""Compare search methods on recorded trials: ``python -m benchmarks.search``.

``benchmarks.record`` recorded real trials once. A surrogate is fitted to them: it predicts, from a
configuration, the log fid of every report. Five methods search the surrogate with the project's own
``Search`` and scheduler. Two trials run at a time and report in turn, until every method has spent the same
number of training steps. The first trial is the baseline, which is never stopped early.

Each replayed trial gets the noise of a real one: the residuals of a recorded configuration, for all reports,
are added to its predicted log fid. The residuals come from a surrogate that was not fitted to that
configuration. The configuration is drawn, by the replay's seed and the trial's number, from the 20 with the
nearest predicted curves. Every configuration was recorded with one seed, so the residuals contain both the
surrogate's error and the noise of seeds: they overestimate the noise. Methods see noisy scores. ``observed``
is the best of these scores; ``noise-free`` is the surrogate's prediction for the trial with that score, after
as many reports.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ray.tune.schedulers import TrialScheduler
from ray.tune.search.optuna import OptunaSearch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputRegressor

from benchmarks.record import REPORTS, SHORT, SPACE, Design
from sweeps.search.schedulers import scheduler
from sweeps.search.searcher import Search
from sweeps.spec.domains import Scalar
from sweeps.spec.model import SweepSpec

Floats = NDArray[np.float64]

WORKERS = 2
MOST_TRIALS = 10**6
FOLDS = 10
NEIGHBOURS = 20
RESAMPLES = 2000
ASKED_SHARE = 1 / 3
SHARES = (1 / 6, 1 / 3, 1 / 2, 1)


@dataclass(frozen=True)
class Method:
    """A search method: its sampler and early stopping; if naive, stopped trials count as complete."""

    sampler: str
    early_terminate: str
    naive: bool = False
    design: Design = SHORT

    def spec(self, seed: int) -> SweepSpec:
        """Return the spec of a sweep by this method."""
        parameters = {name: {"value": value} for name, value in self.design.fixed.items()}
        return SweepSpec.model_validate(
            {
                "name": "replay",
                "method": self.sampler,
                "trials": MOST_TRIALS,
                "seed": seed,
                "parameters": parameters | self.design.space,
                "early_terminate": {"type": self.early_terminate, "min_iter": 1, "eta": 3},
            }
        )


METHODS = {
    "tpe+asha": Method("tpe", "asha"),
    "tpe": Method("tpe", "none"),
    "random+asha": Method("random", "asha"),
    "random": Method("random", "none"),
    "naive bridge": Method("tpe", "asha", naive=True),
}


class World(Protocol):
    """A model to replay trials from."""

    def expected(self, params: Mapping[str, Scalar]) -> Floats:
        """Return the log fid of every report, without noise."""

    def luck(self, expected: Floats, seed: int, number: int) -> Floats:
        """Return the noise of one trial, which is added to its expected log fid."""


class CountingSearch(Search):
    """The project's search, with counts of its trials."""

    def states(self) -> Counter[str]:
        """Return the number of the study's trials in each state."""
        return Counter(trial.state.name for trial in self._ot_study.get_trials(deepcopy=False))


class NaiveSearch(CountingSearch):
    """Ray's own bridge: a trial that was stopped early is COMPLETE, with its score so far."""

    on_trial_result = OptunaSearch.on_trial_result
    on_trial_complete = OptunaSearch.on_trial_complete


@dataclass
class ReplayedTrial:
    """A running trial, as Ray's schedulers see it.

    Args:
        trial_id: Ray's ID of the trial.
        config: The suggestion.
        scores: The best fid so far at each report, up to the last report that the trial can make.
        clean: The same without noise.
        reports: The number of reports made.
    """

    trial_id: str
    config: dict[str, Any]
    scores: Floats
    clean: Floats
    reports: int = 0

    def report(self) -> dict[str, Any]:
        """Make the next report; return the part of the trainable's result that a search reads."""
        score = float(self.scores[self.reports])
        self.reports += 1
        done = self.reports == len(self.scores)
        return {
            "status": "completed" if done else "running",
            "done": done,
            "step": self.reports * int(self.config["config"]["report_every"]),
            "reports": self.reports,
            "training_iteration": self.reports,
            "score": score,
            "objectives": [score],
        }


@dataclass
class Replay:
    """One search: after each report, the incumbent's best fid as observed and without noise.

    Args:
        observed: ``(reports,)``.
        noise_free: ``(reports,)``.
        log: ``(trial number, reports, score, whether the trial was stopped)`` of each report.
        states: The number of trials in each of Optuna's states.
    """

    observed: list[float] = field(default_factory=list)
    noise_free: list[float] = field(default_factory=list)
    log: list[tuple[int, int, float, bool]] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)


def replay(method: Method, seed: int, world: World, budget: int) -> Replay:
    """Search ``world`` until ``budget`` reports are made, in the order of Ray's controller."""
    spec = method.spec(seed)
    asha, done, incumbent = scheduler(spec), Replay(), None
    with TemporaryDirectory() as folder:
        search = (NaiveSearch if method.naive else CountingSearch)(spec, spec.name, Path(folder))
        running = [_start(search, asha, world, seed, str(worker)) for worker in range(WORKERS)]
        for turn in range(budget):
            trial = running[turn % WORKERS]
            result = trial.report()
            stopped = _tell(search, asha, trial, result)
            done.log.append((trial.config["number"], trial.reports, result["score"], stopped))
            if incumbent is None or result["score"] < incumbent.scores[incumbent.reports - 1]:
                incumbent = trial
            done.observed.append(float(incumbent.scores[incumbent.reports - 1]))
            done.noise_free.append(float(incumbent.clean[incumbent.reports - 1]))
            if stopped or result["done"]:
                running[turn % WORKERS] = _start(search, asha, world, seed, str(WORKERS + turn))
        done.states = search.states()
    return done


def _start(
    search: CountingSearch, asha: TrialScheduler, world: World, seed: int, tune_id: str
) -> ReplayedTrial:
    """Start the next suggested trial, with its noise."""
    suggestion: Any = search.suggest(tune_id)
    expected = world.expected(suggestion["params"])
    luck = world.luck(expected, seed, suggestion["number"])
    noisy, clean = (np.exp(np.minimum.accumulate(curve)) for curve in (expected + luck, expected))
    trial = ReplayedTrial(tune_id, suggestion, noisy, clean)
    asha.on_trial_add(None, trial)
    return trial


def _tell(
    search: CountingSearch, asha: TrialScheduler, trial: ReplayedTrial, result: Mapping[str, Any]
) -> bool:
    """Pass a report to scheduler and search, in Ray's order; return whether the trial is stopped."""
    if not result["done"] and asha.on_trial_result(None, trial, result) == TrialScheduler.CONTINUE:
        search.on_trial_result(trial.trial_id, result)
        return False
    asha.on_trial_complete(None, trial, result)
    search.on_trial_complete(trial.trial_id, result)
    return not result["done"]


@dataclass(frozen=True)
class Recording:
    """Recorded trials.

    Args:
        params: A row per configuration.
        curves: The log fid of each configuration at every report, ``(configurations, reports)``.
        n_diverged: The number of trials that diverged; the worst fid of all replaces their missing reports.
        facts: The metadata of the recording, among them the precision.
    """

    params: pd.DataFrame
    curves: Floats
    n_diverged: int
    facts: dict[str, str]


def load(file: Path) -> Recording:
    """Read the recorded trials."""
    rows = pd.read_parquet(file)
    metadata = pq.read_schema(file).metadata
    facts = {name.decode(): value.decode() for name, value in metadata.items() if name != b"pandas"}
    every = np.arange(1, REPORTS + 1) * rows["report_every"].iloc[0]
    curves = rows.pivot_table(index="number", columns="step", values="fid", dropna=False)
    trials = rows.groupby("number").first()
    whole = curves.reindex(index=trials.index, columns=every).fillna(rows["fid"].max())
    return Recording(trials[list(SPACE)], np.log(whole.to_numpy(float)), int(trials["diverged"].sum()), facts)


def features(params: pd.DataFrame) -> Floats:
    """Return the surrogate's inputs: each parameter, and lr / (1 - beta1), on a scale from 0 to 1.

    lr / (1 - beta1) is how far Adam moves in total for one gradient, with momentum. Whether a training fails
    depends on it.
    """
    lr, beta1 = params["lr"].astype(float), params["beta1"].astype(float)
    columns = [
        params["loss"] == "lsgan",
        (params["noise_dim"] - 16) / 240,
        np.log10(lr / 1e-5) / 3,
        beta1 / 0.9,
        params["leaky_slope"] / 0.4,
        np.log10(lr / (1 - beta1) / 1e-5) / 4,
    ]
    return np.column_stack([np.asarray(column, float) for column in columns])


class CurveProcess(RegressorMixin, BaseEstimator):
    """Gaussian processes of the curves' principal components, each with a length scale per parameter."""

    def __init__(self, components: int = 4) -> None:
        self.components = components

    def fit(self, x: Floats, y: Floats) -> "CurveProcess":
        """Fit to the configurations ``x`` and their curves ``y``."""
        self.pca_ = PCA(self.components).fit(y)
        kernel = ConstantKernel(1.0) * Matern(np.ones(x.shape[1]), (0.2, 20), nu=2.5) + WhiteKernel(0.1)
        process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0)
        with catch_warnings():
            simplefilter("ignore", ConvergenceWarning)  # a length at its bound: the parameter does not matter
            self.processes_ = [clone(process).fit(x, scores) for scores in self.pca_.transform(y).T]
        return self

    def predict(self, x: Floats) -> Floats:
        """Return the expected curves."""
        scores = np.column_stack([process.predict(x) for process in self.processes_])
        return np.asarray(self.pca_.inverse_transform(scores))


CANDIDATES: dict[str, BaseEstimator] = {
    "Gaussian processes of 4 principal components": CurveProcess(),
    "extra trees": ExtraTreesRegressor(150, min_samples_leaf=2, random_state=0),
    "random forest": RandomForestRegressor(150, random_state=0),
    "gradient boosting": MultiOutputRegressor(
        HistGradientBoostingRegressor(max_iter=100, learning_rate=0.05, min_samples_leaf=5, random_state=0)
    ),
}
"""The candidates for the surrogate. A sample is a whole curve, so folds share no curve."""

TAKEN = "Gaussian processes of 4 principal components"
"""The candidate with the least held-out error, as :func:`choose` finds."""


@dataclass(frozen=True)
class HeldOut:
    """Predicted and true curves of configurations that a candidate was not fitted to."""

    predicted: Floats
    true: Floats

    @property
    def residuals(self) -> Floats:
        """True minus predicted log fids."""
        return self.true - self.predicted

    @property
    def rmse(self) -> float:
        """The root mean squared error of log fid, by which the candidates are compared."""
        return float(np.sqrt(np.mean(self.residuals**2)))

    @property
    def r2(self) -> float:
        """R² of all log fids together."""
        return float(r2_score(self.true.ravel(), self.predicted.ravel()))

    @property
    def relative_error(self) -> float:
        """The median relative error of the fid."""
        return float(np.median(np.abs(np.expm1(self.predicted - self.true))))


def held_out(candidate: BaseEstimator, x: Floats, curves: Floats) -> HeldOut:
    """Predict every curve from the curves of the other folds."""
    predicted = np.empty_like(curves)
    for rest, fold in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        predicted[fold] = clone(candidate).fit(x[rest], curves[rest]).predict(x[fold])
    return HeldOut(predicted, curves)


@dataclass
class Surrogate:
    """The fitted surrogate and the noise around it: a :class:`World`.

    Args:
        model: The surrogate, fitted to all recorded configurations.
        errors: Predicted and true curves of held-out configurations.
    """

    model: BaseEstimator
    errors: HeldOut

    @classmethod
    def fit(cls, candidate: BaseEstimator, x: Floats, errors: HeldOut) -> "Surrogate":
        """Fit to all curves."""
        return cls(clone(candidate).fit(x, errors.true), errors)

    def expected(self, params: Mapping[str, Scalar]) -> Floats:
        """Return the log fid of every report, without noise."""
        return np.asarray(self.model.predict(features(pd.DataFrame([params])))[0], float)

    def luck(self, expected: Floats, seed: int, number: int) -> Floats:
        """Return the residuals of a recorded trial with a similar predicted curve.

        The predictions are closer for trials that learn nothing than for trials that learn well. With one
        covariance for all, bad trials would become good ones.
        """
        distances = np.linalg.norm(self.errors.predicted - expected, axis=1)
        nearest = np.argsort(distances, kind="stable")[:NEIGHBOURS]
        drawn = nearest[np.random.default_rng([seed, number]).integers(len(nearest))]
        return np.asarray(self.errors.residuals[drawn])


def choose(recording: Recording) -> tuple[Surrogate, HeldOut, Table]:
    """Return the surrogate with the least held-out error, that error, and a table of all candidates'."""
    x = features(recording.params)
    table = Table(title=f"Surrogates of {len(x)} recorded trials: error on configurations held out")
    for column in ("surrogate", "RMSE of log fid", "R2", "median relative error of the fid"):
        table.add_column(column, justify="left" if column == "surrogate" else "right")
    errors = {name: held_out(candidate, x, recording.curves) for name, candidate in CANDIDATES.items()}
    best = min(errors, key=lambda name: errors[name].rmse)
    for name, error in errors.items():
        shown = f"{name} (chosen)" if name == best else name
        table.add_row(shown, f"{error.rmse:.3f}", f"{error.r2:.3f}", f"{error.relative_error:.1%}")
    return Surrogate.fit(CANDIDATES[best], x, errors[best]), errors[best], table


def surrogate_of(recording: Recording) -> Surrogate:
    """Return the surrogate of the candidate that :func:`choose` chooses, without fitting the others."""
    x = features(recording.params)
    return Surrogate.fit(CANDIDATES[TAKEN], x, held_out(CANDIDATES[TAKEN], x, recording.curves))


@dataclass(frozen=True)
class Job:
    """A replay to run in another process."""

    method: str
    seed: int
    budget: int
    world: World

    def run(self) -> Replay:
        """Run the replay."""
        return replay(METHODS[self.method], self.seed, self.world, self.budget)


def replay_all(world: World, seeds: int, budget: int, processes: int) -> dict[str, list[Replay]]:
    """Replay every method with every seed; all methods have the same seeds."""
    jobs = [Job(method, seed, budget, world) for seed in range(seeds) for method in METHODS]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        replays = list(track(pool.map(Job.run, jobs), "Replays", total=len(jobs)))
    by_method: dict[str, list[Replay]] = {method: [] for method in METHODS}
    for job, done in zip(jobs, replays, strict=True):
        by_method[job.method].append(done)
    return by_method


Curves = dict[str, Floats]
"""The incumbent's fid for each method, ``(seeds, reports)``."""


def resampled(curves: Curves, statistic: Callable[[Curves], float]) -> tuple[float, float, float]:
    """Return a statistic and its 95 % bootstrap interval over the seeds, which all methods share."""
    seeds = len(next(iter(curves.values())))
    picks = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))
    values = [statistic({name: each[pick] for name, each in curves.items()}) for pick in picks]
    low, high = np.percentile(values, [2.5, 97.5], method="nearest")
    return statistic(curves), float(low), float(high)


def share_to_reach(curves: Curves, method: str, target: str = "random") -> float:
    """Return the share of the steps after which a method's median stays at or below the target's last median.

    The share is infinity if the median never stays there.
    """
    goal = np.median(curves[target][:, -1])
    above = np.flatnonzero(np.median(curves[method], axis=0) > goal)
    reports = curves[method].shape[1]
    first = 0 if not len(above) else above[-1] + 1
    return float("inf") if first == reports else (first + 1) / reports


def median_at(curves: Curves, method: str, report: int) -> float:
    """Return a method's median fid after ``report`` reports."""
    return float(np.median(curves[method][:, report - 1]))


def last_ratio(curves: Curves, method: str, other: str) -> float:
    """Return the ratio of two methods' last medians."""
    return float(np.median(curves[method][:, -1]) / np.median(curves[other][:, -1]))


def curves_of(replays: Mapping[str, Sequence[Replay]], kind: str) -> Curves:
    """Return the incumbents of all replays, ``observed`` or ``noise-free``."""
    name = kind.replace("-", "_")
    return {method: np.array([getattr(one, name) for one in each]) for method, each in replays.items()}


def with_interval(values: tuple[float, float, float], digits: str = ".3g") -> str:
    """Return a statistic and its interval as text."""
    value, low, high = (format(value, digits) for value in values)
    return f"{value} [{low}, {high}]"


def table_of(title: str, curves: Curves, budget: int) -> Table:
    """Return a table of the median incumbent after shares of the steps, a row per method."""
    table = Table(title=title)
    table.add_column("method", no_wrap=True)
    ends = [max(1, round(share * budget)) for share in SHARES]
    for end in ends:
        table.add_column(f"{end * SHORT.report_every:,} steps", justify="right")
    table.add_column("steps to random's last fid, share", justify="right")
    for method in curves:
        own = _of(curves, method, "random")
        medians = [resampled(own, partial(median_at, method=method, report=end)) for end in ends]
        reach = resampled(own, partial(share_to_reach, method=method))
        table.add_row(method, *(with_interval(each, ".0f") for each in medians), with_interval(reach, ".2f"))
    return table


def _of(curves: Curves, *methods: str) -> Curves:
    return {method: curves[method] for method in methods}


def verdicts(kind: str, curves: Curves) -> list[str]:
    """Return a sentence for each target, with the measured value."""
    share = resampled(_of(curves, "tpe+asha", "random"), partial(share_to_reach, method="tpe+asha"))
    rivals = _of(curves, "tpe+asha", "naive bridge")
    ratio = resampled(rivals, partial(last_ratio, method="tpe+asha", other="naive bridge"))
    reached = "reached" if share[0] <= ASKED_SHARE else "not reached"
    no_worse = "no worse" if ratio[0] <= 1 else "worse" if ratio[1] > 1 else "worse, but within the noise"
    return [
        f"{kind}: tpe+asha reaches random's last fid with {with_interval(share, '.2f')} of the steps "
        f"(target: at most {ASKED_SHARE:.2f}): {reached}",
        f"{kind}: tpe+asha's last fid is {with_interval(ratio, '.3f')} times the naive bridge's "
        f"(target: at most 1): {no_worse}",
    ]


def states_table(replays: Mapping[str, Sequence[Replay]]) -> Table:
    """Return a table of the mean number of trials of a search, by their state in the sampler's study."""
    table = Table(title="Trials of a search, mean")
    states = ("COMPLETE", "PRUNED", "RUNNING")
    for column in ("method", "trials", *states):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, each in replays.items():
        total = sum((one.states for one in each), Counter())
        shown = (total.total(), *(total[state] for state in states))
        table.add_row(method, *(f"{number / len(each):.1f}" for number in shown))
    return table


def plot(curves: Curves, title: str, file: Path) -> None:
    """Plot the medians against the steps spent, with a band between the quartiles."""
    import plotly.graph_objects as go

    from sweeps.report.style import COLORWAY, template

    figure = go.Figure(layout={"template": template(), "title": {"text": title}})
    for color, (method, each) in zip(COLORWAY, curves.items(), strict=False):
        steps = np.arange(1, each.shape[1] + 1) * SHORT.report_every
        low, middle, high = np.percentile(each, [25, 50, 75], axis=0)
        edge = {"mode": "lines", "line": {"width": 0, "color": color}, "showlegend": False}
        figure.add_scatter(x=steps, y=low, legendgroup=method, **edge)
        figure.add_scatter(x=steps, y=high, fill="tonexty", legendgroup=method, **edge)
        figure.add_scatter(x=steps, y=middle, name=method, legendgroup=method, line={"color": color})
    figure.update_xaxes(title="training steps spent")
    figure.update_yaxes(title="fid of the incumbent", type="log")
    figure.write_html(file)


def main() -> None:
    """Replay all methods, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="replays of each method (100)")
    parser.add_argument("--trials", type=int, default=24, help="the steps to spend, in complete trials (24)")
    parser.add_argument("--processes", type=int, default=2, help="replays at a time (2)")
    parser.add_argument("--recorded", type=Path, default=SHORT.output, help="the recorded trials")
    parser.add_argument("--plot", type=Path, help="an HTML page with a plot of the noise-free medians")
    arguments = parser.parse_args()
    recording, console = load(arguments.recorded), Console()
    surrogate, errors, candidates = choose(recording)
    console.print(candidates)
    console.print(noise_line(recording, errors), highlight=False)
    budget = arguments.trials * REPORTS
    replays = replay_all(surrogate, arguments.seeds, budget, arguments.processes)
    console.print(states_table(replays))
    lines = []
    for kind in ("noise-free", "observed"):
        curves = curves_of(replays, kind)
        title = f"Median fid of the incumbent, {kind}, {arguments.seeds} seeds [95 % interval]"
        console.print(table_of(title, curves, budget))
        lines += verdicts(kind, curves)
        if arguments.plot and kind == "noise-free":
            plot(curves, title, arguments.plot)
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def noise_line(recording: Recording, errors: HeldOut) -> str:
    """Return a summary of the recorded trials and of the replay's noise."""
    final, residuals = np.exp(recording.curves[:, -1]), errors.residuals
    good = errors.predicted[:, -1] <= np.quantile(errors.predicted[:, -1], 0.1)
    return (
        f"Recorded in {recording.facts['precision']}: last fids from {final.min():.0f} to {final.max():.0f}, "
        f"their median {np.median(final):.0f}; {recording.n_diverged} trials diverged.\n"
        f"Standard deviation of the noise of log fid: {residuals[:, 0].std():.3f} at the first report, "
        f"{residuals[:, -1].std():.3f} at the last, {residuals[good, -1].std():.3f} at the last for the "
        "tenth of the trials with the best predictions."
    )


if __name__ == "__main__":
    main()

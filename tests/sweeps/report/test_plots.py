from itertools import combinations
from statistics import fmean

import numpy as np
import pandas as pd
import pytest

import sweeps
from sweeps.analysis.best_of_k import expected_best
from sweeps.record.status import Status
from sweeps.report import plots
from tests.sweeps.ledgers import scores_of, write_confirmation, write_sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    write_sweep(results)
    return sweeps.load("tiny", results)


def trace(figure, name):
    (found,) = (trace for trace in figure.data if trace.name == name)
    return found


def test_the_best_so_far_falls_if_a_lower_score_is_better(sweep):
    best = trace(plots.history(sweep.trials), "best so far")
    assert list(best.y) == sorted(best.y, reverse=True)
    assert best.y[-1] == pytest.approx(scores_of(8, 3)["fid"])


def test_the_best_so_far_rises_if_a_higher_score_is_better(tmp_path):
    write_sweep(tmp_path, metrics=("recall",))
    best = trace(plots.history(sweeps.load("tiny", tmp_path).trials, "recall"), "best so far")
    assert list(best.y) == sorted(best.y)
    assert best.y[-1] == pytest.approx(scores_of(8, 3)["recall"])


def test_failures_are_crosses_without_a_score(sweep):
    for figure in (
        plots.history(sweep.trials),
        plots.parameter_slice(sweep.trials, "lr"),
        plots.cost(sweep.trials),
    ):
        for name in ("diverged", "failed"):
            crosses = trace(figure, f"{name}: no score")
            assert len(crosses.x) == 1
            assert (crosses.yaxis, crosses.marker.symbol[0]) == ("y2", "x")
            assert "fid" not in crosses.hovertemplate
        best = figure.data[0].y if figure.data[0].mode == "lines" else ()
        assert scores_of(3, 1)["fid"] not in [*best, *trace(figure, "completed").y]


def test_markup_in_a_reason_is_escaped_in_a_figure(sweep):
    crosses = trace(plots.history(sweep.trials), "failed: no score")
    assert "&lt;script&gt;" in crosses.text[0]
    assert "<script>" not in crosses.text[0]


def test_the_curves_of_stopped_trials_are_faded_and_the_best_stands_out(sweep):
    figure = plots.learning_curves(sweep.trials, sweep.history)
    assert trace(figure, "stopped early").opacity < trace(figure, "completed").opacity == 1
    best = trace(figure, "best")
    assert list(best.y) == [scores_of(8, index)["fid"] for index in range(4)]
    gaps = np.isnan(trace(figure, "stopped early").y).sum()
    assert gaps == (sweep.trials["status"] == Status.PRUNED).sum() - 1


def test_an_axis_is_logarithmic_if_the_scores_span_a_decade(sweep):
    assert plots.history(sweep.trials).layout.yaxis.type == "log"
    assert plots.history(sweep.trials[sweep.trials["search_fid"] > 300]).layout.yaxis.type == "linear"
    assert sweep.logarithmic == ["lr", "penalty_weight"]


def test_parallel_coordinates_have_a_line_per_scored_trial_and_a_foot_for_missing_values(sweep):
    (lines,) = plots.parallel_coordinates(sweep.trials, sweep.searched, logarithmic=sweep.logarithmic).data
    axes = {axis.label: axis for axis in lines.dimensions}
    assert list(axes) == [*sweep.searched, "fid"]
    assert {len(axis.values) for axis in axes.values()} == {8}
    lr = axes["lr"]
    assert (lr.tickvals[0], lr.tickvals[-1]) == (min(lr.values), max(lr.values))
    weight = axes["penalty_weight"]
    assert weight.ticktext[0] == "-"
    assert (np.asarray(weight.values) == weight.tickvals[0]).sum() == 4
    assert tuple(axes["loss"].ticktext) == ("bce", "lsgan")


def test_the_parameter_that_determines_the_score_is_the_most_important():
    n = 60
    generator = np.random.default_rng(0)
    trials = pd.DataFrame(
        {
            "status": "completed",
            "lr": 10 ** generator.uniform(-4, -1, n),
            "beta1": generator.uniform(0, 1, n),
            "loss": generator.choice(["bce", "lsgan"], n),
        }
    )
    trials["search_fid"] = 100 * (np.log10(trials["lr"]) + 2) ** 2
    trials["search_recall"] = trials["beta1"]
    by_fid = plots.parameter_importances(trials, ["beta1", "loss", "lr"], logarithmic=["lr"])
    assert by_fid.index[0] == "lr"
    assert by_fid.sum() == pytest.approx(1)
    assert plots.parameter_importances(trials, ["beta1", "loss", "lr"], "recall").index[0] == "beta1"
    assert list(plots.importances(trials, ["beta1", "loss", "lr"], logarithmic=["lr"]).data[0].y)[-1] == "lr"


def test_importances_of_two_trials_are_zero(sweep):
    shares = plots.parameter_importances(sweep.trials.head(2), sweep.searched)
    assert set(shares) == {0.0}
    assert set(shares.index) == set(sweep.searched)


@pytest.mark.parametrize(("metric", "best"), [("fid", min), ("recall", max)])
@pytest.mark.parametrize("n_diverged", [0, 2])
def test_the_expected_best_is_the_mean_over_all_draws(metric, best, n_diverged):
    scores = [5.0, 1.0, 8.0, 2.0]
    expected = expected_best(scores, metric, n_diverged=n_diverged)
    pool = [*scores, *[None] * n_diverged]
    for row in expected.itertuples():
        draws = ([x for x in draw if x is not None] for draw in combinations(pool, row.trials))
        bests = sorted(best(draw) for draw in draws if draw)
        assert row.mean == pytest.approx(fmean(bests))
        assert row.low == pytest.approx(np.quantile(bests, 0.1, method="inverted_cdf"))
        assert bests[0] <= row.low <= row.high <= bests[-1]
    assert expected["trials"].tolist() == list(range(1, len(pool) + 1))
    assert expected["mean"].iloc[-1] == best(scores)


def test_the_budget_plot_has_a_line_and_a_band_for_each_loss(sweep):
    figure = plots.budget(sweep.trials)
    assert [trace.name for trace in figure.data if trace.name] == ["bce", "lsgan"]
    assert [trace.fill for trace in figure.data] == ["toself", None] * 2
    counted = sweep.trials[(sweep.trials["loss"] == "lsgan") & (sweep.trials["status"] != Status.CRASHED)]
    assert max(trace(figure, "lsgan").x) == len(counted)


def test_the_cost_line_is_the_best_score_at_each_cost(sweep):
    line = trace(plots.cost(sweep.trials), "best at this cost")
    assert list(line.x) == [200, 400]
    assert list(line.y) == [scores_of(9, 1)["fid"], scores_of(8, 3)["fid"]]


def confirmation(results, **scores):
    """Draw a confirmation whose finalists are the trials with these numbers, such as ``t8``."""
    of = {f"tiny-000{name[1:]}": row for name, row in scores.items()}
    sweep = write_confirmation(write_sweep(results), of)
    return plots.confirmation(sweep.replicas, sweep.rank(stage="confirm"))


def test_a_confirmation_has_a_dot_per_training_a_line_per_seed_and_a_mean_with_its_interval(tmp_path):
    figure = confirmation(tmp_path, t0=[400.0, 410.0], t8=[40.0, 42.0], t6=[60.0, Status.DIVERGED])
    assert list(figure.layout.yaxis.ticktext) == [
        *("tiny-0008<br>winner", "tiny-0000<br>defaults, worse", "tiny-0006<br>failed"),
    ]
    seeds = figure.data[0]
    assert list(np.nan_to_num(seeds.x)) == [40.0, 400.0, 60.0, 0.0, 42.0, 410.0, 0.0]
    assert list(np.nan_to_num(seeds.y, nan=-1.0)) == [0, 1, 2, -1, 0, 1, -1]
    means = trace(figure, "mean, 95\u00a0% interval")
    assert means.x[0] == pytest.approx(np.sqrt(40 * 42))
    assert means.error_x.arrayminus[0] < means.x[0] < means.error_x.array[0] + means.x[0]
    crosses = trace(figure, "no score")
    assert (list(crosses.y), crosses.xaxis) == ([2], "x2")
    assert "diverged" in crosses.text[0]


@pytest.mark.parametrize(
    ("scores", "name", "place"),
    [
        ([40.0, 60.0], "real images: 7.1", 7.1),
        ([400.0, 400.1], "real images: 7.1 (outside the axis)", None),
    ],
)
def test_real_images_are_drawn_if_the_scores_remain_apart(tmp_path, scores, name, place):
    figure = confirmation(tmp_path, t8=scores)
    assert trace(figure, name).x[0] == place
    low, high = figure.layout.xaxis.range
    assert low < (place or min(scores)) < max(scores) < high


@pytest.mark.parametrize("metrics", [("fid", "recall"), ("recall", "fid")])
def test_the_pareto_plot_has_the_front_and_the_rest(metrics):
    trials = pd.DataFrame(
        {
            "trial_id": list("abcde"),
            "status": ["completed"] * 4 + ["diverged"],
            "is_baseline": [True] + [False] * 4,
            "reason": None,
            "fid": [10.0, 20.0, 30.0, 25.0, 1.0],
            "recall": [0.1, 0.5, 0.9, 0.2, 0.99],
        }
    )
    figure = plots.pareto(trials, trials.iloc[[2, 0, 1]], metrics)
    front = trace(figure, "Pareto front")
    assert list(front.x) == sorted(trials[metrics[0]].iloc[:3])
    assert front.line.shape == {"fid": "hv", "recall": "vh"}[metrics[0]]
    assert len(trace(figure, "completed").x) == 3
    assert len(trace(figure, "defaults").x) == 1
    assert "diverged" not in [each.name for each in figure.data]


def test_figures_without_trials_are_empty(sweep):
    trials, history = sweep.trials.head(0), sweep.history.head(0)
    figures = [
        plots.history(trials),
        plots.learning_curves(trials, history),
        plots.parallel_coordinates(trials, sweep.searched),
        plots.importances(trials, sweep.searched),
        plots.parameter_slice(trials, "lr", log=True),
        plots.cost(trials),
        plots.budget(trials),
        plots.pareto(trials, trials, ("fid", "recall")),
    ]
    assert all(figure.to_json() for figure in figures)

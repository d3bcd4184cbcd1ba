import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import sweeps
from sweeps.record.status import Status
from sweeps.report import plots
from sweeps.report.traces import add_floor
from tests.sweeps.ledgers import scores_of, write_confirmation, write_search, write_sweep


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


def test_the_curves_of_stopped_trials_are_faded_and_the_best_is_emphasised(sweep):
    figure = plots.learning_curves(sweep.trials, sweep.history)
    assert trace(figure, "stopped early").opacity < trace(figure, "completed").opacity == 1
    best = trace(figure, "best")
    assert list(best.y) == [scores_of(8, index)["fid"] for index in range(4)]
    gaps = np.isnan(trace(figure, "stopped early").y).sum()
    assert gaps == (sweep.trials["status"] == Status.PRUNED).sum() - 1


def test_a_take_over_breaks_a_learning_curve(sweep):
    history = sweep.history[sweep.history["trial_id"].isin(["tiny-0006", "tiny-0008"])]
    again = history[history["step"] == 200].assign(lineage=1, fid=1.0)
    both = pd.concat([history, again]).sort_values(["trial_id", "lineage", "step"])
    figure = plots.learning_curves(sweep.trials, both)
    for name in ("completed", "best"):
        assert list(np.nan_to_num(trace(figure, name).x)) == [100, 200, 300, 400, 0, 200]


def test_a_single_step_is_the_only_tick_of_its_axis(sweep):
    reports = sweep.history[sweep.history["step"] == 100]
    assert plots.learning_curves(sweep.trials, reports).layout.xaxis.tickvals == (100,)


def test_an_axis_is_logarithmic_if_the_scores_span_a_decade(sweep):
    assert plots.history(sweep.trials).layout.yaxis.type == "log"
    assert plots.history(sweep.trials[sweep.trials["search_fid"] > 300]).layout.yaxis.type == "linear"
    assert sweep.logarithmic == ["lr", "penalty_weight"]


def test_a_logarithmic_axis_has_round_numbers_as_ticks():
    trials = pd.DataFrame(
        {
            "trial_id": list("abcdefg"),
            "status": "completed",
            "is_baseline": False,
            "reason": None,
            "search_fid": [210.0, 600.0, 1000.0, 1500.0, 1600.0, 1900.0, 2074.0],
            "lr": [0.00009999, 0.0003, 0.001, 0.002, 0.003, 0.004, 0.0101],
        }
    )
    figure = plots.parameter_slice(trials, "lr", log=True)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert figure.layout.yaxis.ticktext == ("200", "500", "1,000", "2,000")
    assert figure.layout.xaxis.ticktext == ("1e-4", "3e-4", "1e-3", "3e-3", "1e-2")
    close = plots.parameter_slice(trials[trials["lr"].between(0.002, 0.004)], "lr", log=True)
    assert (close.layout.xaxis.type, close.layout.yaxis.type) == ("linear", "linear")


def test_scores_that_should_be_high_have_a_linear_axis(tmp_path):
    write_sweep(tmp_path, metrics=("recall",))
    trials = sweeps.load("tiny", tmp_path).trials.assign(search_recall=np.geomspace(0.01, 0.9, 10))
    assert plots.history(trials, "recall").layout.yaxis.type == "linear"


def test_numbers_from_a_list_are_the_only_ticks_of_their_axis(sweep):
    trials = sweep.trials.assign(beta2=[0.99, 0.999] * 5)
    axis = plots.parameter_slice(trials, "beta2").layout.xaxis
    assert (axis.type, axis.categoryarray) == ("category", ("0.99", "0.999"))
    (lines,) = plots.parallel_coordinates(trials, ["lr", "beta2"]).data
    assert lines.dimensions[1].ticktext == ("0.99", "0.999")


@pytest.fixture(scope="module")
def with_seeds(tmp_path_factory):
    """Return a sweep of three configurations: the second has two further seeds, the third a diverged one."""
    further = [(1, 90.0), (1, 60.0), (2, None)]
    write_search(tmp_path_factory.getbasetemp(), 100.0, 80.0, 300.0, name="seeds", further=further)
    return sweeps.load("seeds", tmp_path_factory.getbasetemp())


def test_further_seeds_are_marked_and_joined_to_their_configuration(with_seeds):
    figure = plots.history(with_seeds.trials)
    seeds = trace(figure, "further seed")
    assert (list(seeds.x), list(seeds.y), seeds.marker.symbol) == ([1, 1], [90.0, 60.0], "triangle-up")
    assert "seeds-0003<br>a further seed of seeds-0001<br>trial 1" in seeds.text
    line = trace(figure, "seeds of one configuration")
    assert list(line.y) == [80.0, 90.0, None, 80.0, 60.0, None]
    assert list(line.x) == [1, 1, None] * 2
    assert list(trace(figure, "completed").x) == [1, 2]
    assert list(trace(figure, "diverged: no score").x) == [2]


def test_further_seeds_do_not_count_for_the_best_score(with_seeds):
    assert list(trace(plots.history(with_seeds.trials), "best so far").y) == [100.0, 80.0, 80.0]
    assert min(trace(plots.cost(with_seeds.trials), "best at this cost").y) == 80.0
    (lines,) = plots.parallel_coordinates(with_seeds.trials, ["lr"]).data
    assert len(lines.dimensions[0]["values"]) == 3
    curves = plots.learning_curves(with_seeds.trials, with_seeds.history)
    assert set(trace(curves, "further seed").text) == {"seeds-0003", "seeds-0004", ""}
    assert set(trace(curves, "best").text) == {"seeds-0001"}


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


def test_the_bars_of_the_importances_end_with_the_greatest(sweep):
    (bars,) = plots.importances(sweep.trials, sweep.searched, logarithmic=sweep.logarithmic).data
    assert set(bars.y) == set(sweep.searched)
    assert list(bars.x) == sorted(bars.x)


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
        *("tiny-0008<br>winner", "tiny-0006<br>tie", "tiny-0000<br>defaults, worse"),
    ]
    seeds = figure.data[0]
    assert list(np.nan_to_num(seeds.x)) == [40.0, 60.0, 400.0, 0.0, 42.0, 410.0, 0.0]
    assert list(np.nan_to_num(seeds.y, nan=-1.0)) == [0, 1, 2, -1, 0, 2, -1]
    means = trace(figure, "mean, 95\u00a0% interval")
    assert means.x[0] == pytest.approx(np.sqrt(40 * 42), rel=0.01)
    assert means.error_x.arrayminus[0] < means.x[0] < means.error_x.array[0] + means.x[0]
    crosses = trace(figure, "no score")
    assert (list(crosses.y), crosses.xaxis) == ([1], "x2")
    assert "diverged" in crosses.text[0]


@pytest.mark.parametrize(
    ("scores", "is_line"),
    [
        ({"t8": [40.0, 60.0]}, True),
        ({"t8": [400.0, 400.1] * 8}, False),
        ({"t8": [200.0, 210.0, 260.0], "t0": [900.0, 1100.0, 1300.0]}, False),
    ],
)
def test_real_images_are_a_line_if_it_leaves_room_for_the_scores_and_else_a_note(tmp_path, scores, is_line):
    figure = confirmation(tmp_path, **scores)
    low, high = figure.layout.xaxis.range
    if figure.layout.xaxis.type == "log":
        low, high = 10**low, 10**high
    shown = [score for of in scores.values() for score in of]
    assert low < min(shown) < max(shown) < high
    notes = [note.text for note in figure.layout.annotations]
    if is_line:
        assert low < trace(figure, "real images: 7.1").x[0]
        assert notes == []
    else:
        assert low > 7.1
        assert notes == ["\u2190 real images: 7.1, outside the axis"]


def test_real_images_above_the_axis_are_noted_at_its_right_edge():
    figure = go.Figure()
    add_floor(figure, 0.9, pd.Series([0.1, 0.2]), n_rows=1)
    (note,) = figure.layout.annotations
    assert (note.text, note.x, note.xanchor) == ("real images: 0.9, outside the axis \u2192", 1, "right")


def test_an_interval_below_zero_has_a_linear_axis(tmp_path):
    folder = write_search(tmp_path, 1.0, 0.1)
    sweep = write_confirmation(folder, {"tiny-0001": [-0.001, -0.02], "tiny-0000": [-0.1, -0.2]})
    ranked = sweep.rank("kid", stage="confirm")
    assert ranked["mean_low"].min() < 0 < sweep.replicas["kid"].min()
    figure = plots.confirmation(sweep.replicas, ranked, "kid")
    assert figure.layout.xaxis.type == "linear"
    assert figure.layout.xaxis.range[0] < ranked["mean_low"].min()


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

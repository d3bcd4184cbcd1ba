from collections import Counter
from math import log

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from ray.tune.schedulers.async_hyperband import _Bracket

from benchmarks.search.depth_gp import DepthGP
from benchmarks.search.incumbent import MeansIncumbent
from benchmarks.search.noise import NEAREST, SeedNoise
from benchmarks.search.picture import figure
from benchmarks.search.replay import Replay, replay
from benchmarks.search.rules import DEFAULT_RULES, STOPPED_SCORE_RULES, Rule, rule
from benchmarks.search.runs import Job, Store, by_rule, jobs
from benchmarks.search.statistics import paired_ratio, resampled, share_to_reach
from benchmarks.search.stopped_scores import StoppedScoreSearch, deepest, extrapolated
from benchmarks.search.surrogate import CurveProcess, features, held_out
from benchmarks.search.trial import ReplayedTrial, State
from benchmarks.search.world import REPORTS, SOURCES, RecordedWorld
from benchmarks.worlds import SPREAD
from sweeps.search.searcher import Search

BUDGET = 8 * REPORTS


class Valley:
    """A synthetic world: the nearer ``lr`` is to 1e-3, the faster a trial's fid falls from 2,000."""

    fixed = SOURCES["mlp"].fixed
    space = SOURCES["mlp"].space
    best = 2000 * np.exp(-2)

    def __init__(self, noise=0.1):
        self.noise = noise

    def expected(self, params):
        slope = max(0.0, 2.0 - abs(log(params["lr"] / 1e-3)))
        return log(2000) - slope * np.arange(1, REPORTS + 1) / REPORTS

    def luck(self, params, expected, rng):
        return self.noise * rng.standard_normal(REPORTS)


@pytest.fixture(scope="module")
def worlds():
    return {name: RecordedWorld.of(source) for name, source in SOURCES.items()}


@pytest.fixture(scope="module")
def replays():
    return {text: replay(rule(text), 1, Valley(), BUDGET) for text in {*DEFAULT_RULES, *STOPPED_SCORE_RULES}}


def trial(number, scores, reports, state=State.STOPPED):
    config = {"number": number, "trial_id": f"t-{number}", "is_baseline": False, "params": {"lr": 1.0}}
    return ReplayedTrial(str(number), config, np.array(scores), np.array(scores), reports, state)


@pytest.mark.parametrize("text", ["tpe+asha", "random", "tpe+promote", "tpe+asha,stopped_score=extrapolated"])
def test_a_replay_depends_on_its_seed_alone(text, replays):
    assert replay(rule(text), 1, Valley(), BUDGET) == replays[text]
    assert replay(rule(text), 2, Valley(), BUDGET).observed != replays[text].observed


@pytest.mark.parametrize("text", DEFAULT_RULES)
def test_all_rules_spend_the_same_reports_and_two_trials_alternate(text, replays):
    done = replays[text]
    assert len(done.observed) == len(done.noise_free) == len(done.log) == BUDGET
    assert [number for number, *_ in done.log[:2]] == [0, 1]
    made = Counter()
    for number, reports, *_ in done.log:
        made[number] += 1
        assert made[number] == reports
    for (number, _, _, ended), (following, *_) in zip(done.log, done.log[2:], strict=False):
        assert ended or following == number


@pytest.mark.parametrize("text", DEFAULT_RULES)
def test_the_baseline_is_trained_to_its_end_without_a_pause(text, replays):
    own = [(turn, reports) for turn, (number, reports, *_) in enumerate(replays[text].log) if number == 0]
    assert own == [(2 * report, report + 1) for report in range(REPORTS)]


@pytest.mark.parametrize("text", ["tpe+asha", "random+asha", "tpe+asha,stopped_score=complete"])
def test_trials_are_stopped_as_by_rays_bracket_except_for_the_baseline(text, replays):
    bracket = _Bracket(1, REPORTS, 3, 0)
    for number, reports, score, has_ended in replays.get(text).log:
        decision = bracket.on_result(trial(number, [score], 1), reports, -score)
        if number > 0 and reports < REPORTS:
            assert has_ended == (decision == "STOP")


def test_the_sampler_gets_the_pruned_trials_of_the_projects_search(monkeypatch):
    """The study that is written anew gives the sampler what the project's own search gives it."""
    projects = replay(rule("tpe+asha"), 3, Valley(), BUDGET)
    monkeypatch.setattr(
        "benchmarks.search.replay.Search",
        lambda spec, _name, folder, **_: StoppedScoreSearch(
            spec, folder, rule("tpe+asha").stopped_score, course_trials
        ),
    )
    course_trials = []
    started = ReplayedTrial.__init__

    def note(self, *args, **options):
        started(self, *args, **options)
        course_trials.append(self)

    monkeypatch.setattr(ReplayedTrial, "__init__", note)
    assert replay(rule("tpe+asha"), 3, Valley(), BUDGET) == projects
    assert len(course_trials) > 8


def test_a_discard_trains_all_equally_long_and_then_the_best_to_the_end(replays):
    log_ = replays["random+discard"].log
    firsts = {number: score for number, reports, score, _ in log_ if reports == 1 and number}
    whole = [number for number, reports, *_ in log_ if reports == REPORTS and number]
    assert len(whole) >= 2
    assert set(whole) <= set(sorted(firsts, key=firsts.get)[: len(whole) + 2])
    assert {reports for _, reports, _, ended in log_ if ended} == {1, REPORTS}


def test_a_promoted_trial_was_among_the_best_of_its_rung(replays):
    rungs = {1: {}, 3: {}}
    for number, reports, score, _ in replays["tpe+promote"].log:
        if number and reports - 1 in rungs:
            rung = rungs[reports - 1]
            assert sorted(rung, key=rung.get).index(number) < len(rung) / 3 + 1
        if reports in rungs:
            rungs[reports][number] = score


def test_a_clairvoyant_trains_only_what_becomes_the_best(replays):
    log_ = replays["random+clairvoyant"].log
    ends = [score for number, reports, score, _ in log_ if number and reports == REPORTS]
    assert ends == sorted(ends, reverse=True)
    truth = replays["random+clairvoyant,by=truth"]
    assert truth.noise_free == sorted(truth.noise_free, reverse=True)
    assert truth.noise_free[-1] <= min(each.noise_free[-1] for each in replays.values())


def test_the_last_quarter_of_the_reports_trains_leaders_on_further_seeds(replays):
    done, alone = replays["tpe+asha,seeds=3"], replays["tpe+asha"]
    quarter = 3 * BUDGET // 4
    assert done.log[: quarter - REPORTS] == alone.log[: quarter - REPORTS]
    last = [number for number, reports, *_ in done.log[quarter:] if reports == REPORTS]
    assert last
    assert all((number, report) in {each[:2] for each in done.log} for number in last for report in (1, 2))


def test_the_incumbent_of_means_is_not_the_luckiest_reading():
    found = MeansIncumbent()
    lucky, steady = (trial(number, [score], 1, State.COMPLETE) for number, score in [(0, 90.0), (1, 100.0)])
    others = [trial(number, [400.0], 1, State.COMPLETE) for number in (2, 3)]
    for each in (lucky, steady, *others):
        found.note(each)
    assert found.trial is lucky
    for number, first, score in [(4, lucky, 180.0), (5, steady, 101.0)]:
        further = trial(number, [score], 1, State.COMPLETE)
        further.config["of"] = first.config["trial_id"]
        found.note(further)
    assert found.trial is steady
    assert 95 < found.observed < 125


def test_random_draws_the_same_trials_and_noise_with_and_without_asha(replays):
    firsts = [
        {number: score for number, reports, score, _ in replays[text].log if reports == 1}
        for text in ("random", "random+asha")
    ]
    assert firsts[0].items() <= firsts[1].items()


def test_without_noise_observed_and_noise_free_fids_are_equal():
    done = replay(rule("tpe"), 0, Valley(noise=0), BUDGET)
    assert done.observed == done.noise_free == sorted(done.observed, reverse=True)


def test_a_rule_is_described_by_a_text():
    found = rule("gp+asha,eta=4,min_iter=2,stopped_score=complete")
    spec = found.spec(Valley(), 5)
    assert (spec.method, spec.seed, spec.early_terminate.eta, spec.early_terminate.min_iter) == (
        "gp",
        5,
        4,
        2,
    )
    assert found.stopped_score == "complete"
    assert rule("random") == Rule("random")
    for text, message in [
        ("tpe,rho=2", "allowed: stopped_score"),
        ("tpe+x", "allowed: none, asha"),
        ("tpe,eta=x", "eta"),
        ("tpe+promote,seeds=3", "seeds excludes"),
    ]:
        with pytest.raises(ValueError, match=message):
            rule(text)


def test_a_score_is_extrapolated_by_what_longer_trials_gained():
    longer, shorter = trial(0, [100, 50, 25], 3, State.COMPLETE), trial(1, [80, 1, 1], 1)
    running = trial(2, [100, 50, 50], 2, State.RUNNING)
    assert extrapolated([longer, shorter, running]) == {longer: 25, shorter: pytest.approx(20)}


def test_the_deepest_reports_that_enough_trials_made_are_compared():
    trials = [trial(0, [9, 8, 7], 3), trial(1, [6, 5, 4], 2), trial(2, [3, 2, 1], 1)]
    assert list(deepest(trials).values()) == [8, 5, None]


def test_the_states_that_the_sampler_is_given(tmp_path):
    spec = rule("tpe+asha,stopped_score=pruned").spec(Valley(), 0)
    for stopped_score, state in [("pruned", TrialState.PRUNED), ("complete", TrialState.COMPLETE)]:
        trials = []
        search = StoppedScoreSearch(
            spec, tmp_path, rule(f"tpe,stopped_score={stopped_score}").stopped_score, trials
        )
        assert isinstance(search, Search)
        for number in range(3):
            suggestion = search.suggest(str(number))
            trials.append(ReplayedTrial(str(number), suggestion, np.arange(9.0, 1, -1), np.ones(8), 2))
        trials[0].state, trials[1].state = State.COMPLETE, State.PAUSED
        search.suggest("3")
        given = search._ot_study.get_trials()
        assert [each.state for each in given][:3] == [TrialState.COMPLETE, state, TrialState.RUNNING]
        assert [each.value for each in given][:2] == [8, 8]


SEEDS = [
    np.log([[level * luck] * REPORTS for luck in lucks])
    for level, lucks in [(100, (0.8, 1, 1.25)), (110, (0.5, 2)), (120, (0.8, 1.25)), (1000, (0.01, 100))]
]


def test_deviations_have_the_spread_of_the_seeds():
    noise = SeedNoise.of([np.random.default_rng(0).normal(5, 0.3, (2, 4000))])
    assert noise.deviations[0].std() == pytest.approx(0.3, rel=0.03)


def test_luck_comes_from_the_nearest_levels_and_never_from_far_ones():
    noise, rng = SeedNoise.of(SEEDS), np.random.default_rng(0)
    expected = np.full(REPORTS, log(90))
    drawn = [noise.draw(expected, rng)[0] for _ in range(200)]
    assert max(np.abs(drawn)) == pytest.approx(np.sqrt(2) * log(2))
    assert len({round(each, 6) for each in drawn}) == 7
    assert min(drawn) == pytest.approx(noise.least(expected)[0])


def test_a_configuration_with_one_seed_says_nothing():
    assert len(SeedNoise.of([*SEEDS, SEEDS[0][:1]]).levels) == len(SEEDS)


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_observed_lies_below_what_was_recorded_and_modelled(worlds, name):
    """The least fid is the modelled one of the best configuration with the luckiest recorded deviation."""
    world = worlds[name]
    recorded = np.exp(SOURCES[name].recorded().least)
    assert recorded / 1.2 < world.best < 1.5 * recorded
    least = min(
        (
            replay(rule(text), seed, world, 16 * REPORTS)
            for text in ("random+clairvoyant", "tpe")
            for seed in (0, 1)
        ),
        key=lambda done: done.observed[-1],
    )
    luckiest = min(float(each.min()) for noise in world.noise.values() for each in noise.deviations)
    assert least.observed[-1] >= world.best * np.exp(luckiest)
    assert min(least.noise_free) >= world.best


@pytest.mark.parametrize("name", SOURCES)
def test_every_trial_stays_above_the_least_fid_of_its_configuration(worlds, name):
    world, rng = worlds[name], np.random.default_rng(0)
    params = world.optimum
    expected = world.expected(params)
    observed = [np.exp((expected + world.luck(params, expected, rng)).min()) for _ in range(200)]
    assert world.least(params) <= min(observed) < world.best < max(observed)


def test_the_luck_of_a_trial_is_that_of_recorded_seeds(worlds):
    world = worlds["lsgan"]
    expected = world.expected(world.optimum)
    noise = world.noise["lsgan"]
    nearest = np.argsort(noise.levels)[:NEAREST]
    recorded = np.concatenate([noise.deviations[index] for index in nearest])
    drawn = world.luck(world.optimum, expected, np.random.default_rng(1))
    assert (recorded == drawn).all(axis=1).any()


def test_a_surrogate_fits_a_smooth_function():
    configurations = SPREAD["mlp-2000"].configurations(60)
    curves = np.array([Valley().expected(params) for params in configurations])
    x = features(Valley.space, configurations)
    assert ((x >= 0) & (x <= 1)).all()
    assert held_out(x, curves).r2 > 0.8
    assert np.allclose(CurveProcess(x, curves).predict(x[:1])[0], curves[0], atol=0.2)


def test_a_target_is_reached_when_the_median_stays_at_or_below_it():
    target, own = np.array([[9.0, 9.0, 8.0, 4.0]] * 3), np.array([[4.0, 5.0, 4.0, 3.0]] * 3)
    assert share_to_reach(own, target) == 0.75
    assert share_to_reach(target, target) == 1
    assert share_to_reach(own + 2, target) == float("inf")


def test_intervals_resample_the_seeds_of_all_rules_together():
    luck = np.random.default_rng(0).uniform(1, 2, 30)
    same = resampled([2 * luck, luck], lambda a, b: float(np.median(a) / np.median(b)))
    assert (same.value, same.low, same.high) == (2, 2, 2)
    one = resampled([luck], lambda a: float(np.median(a)))
    assert one.low < one.value < one.high


def test_a_paired_ratio_is_the_geometric_mean_over_worlds_and_seeds():
    other = np.array([100.0, 200.0, 400.0])
    ratio = paired_ratio([2 * other, other / 2], [other, other])
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1, 1, 1))
    assert ratio.text(".2f") == "1.00 [1.00, 1.00]"


def test_finished_replays_are_kept_and_a_line_that_was_cut_short_is_not(tmp_path):
    store = Store(tmp_path / "replays.jsonl")
    wanted = jobs(["mlp"], ["tpe", "random"], 2, 8)
    assert [job.seed for job in wanted] == [0, 0, 1, 1]
    store.add(wanted[0], Replay([2.0], [1.0], [(0, 1, 2.0, False)], 1.0))
    with store.file.open("a") as lines:
        lines.write(store.file.read_text()[:50])
    assert store.read() == {wanted[0]: Replay([2.0], [1.0], [], 1.0)}
    assert by_rule({Job("mlp", "tpe", 0, 8): Replay()}, "mlp") == {"tpe": [Replay()]}


def test_a_picture_has_a_line_of_its_own_for_each_rule():
    curves = {f"rule {number}": np.full((2, 3), 200.0) for number in range(11)}

    plots = figure({"world": curves}, {"world": 100.0})

    named = [each for each in plots.data if each.name]
    assert [each.name for each in named] == list(curves)
    assert len({(each.line.color, each.line.dash) for each in named}) == len(curves)
    assert [list(each.y) for each in named] == [[2.0, 2.0, 2.0]] * len(curves)


def test_a_process_with_depths_does_not_hold_few_reports_against_a_trial():
    lr = FloatDistribution(1e-5, 1e-1, log=True)

    def ended(value, state, reports):
        scores = {
            step: 2000 * np.exp(abs(log(value / 1e-3)) / 4 - step / 2) for step in range(1, reports + 1)
        }
        last = scores[reports]
        if state is TrialState.COMPLETE:
            del scores[reports]
        return create_trial(
            state=state,
            value=last,
            params={"lr": value},
            distributions={"lr": lr},
            intermediate_values=scores,
        )

    study = optuna.create_study(sampler=DepthGP(seed=1))
    study.add_trials(ended(value, TrialState.COMPLETE, 8) for value in (1e-5, 3e-5, 1e-4, 1e-2, 3e-2, 1e-1))
    study.add_trials(ended(value, TrialState.PRUNED, 2) for value in (1e-5, 1e-4, 4e-4, 9e-4, 2e-3, 1e-2))

    suggested = study.ask({"lr": lr}).params["lr"]

    assert 3e-4 < suggested < 3e-3

import pytest

from sweeps.search.rehearsal import rehearse
from sweeps.search.samplers import SamplerError, sampler_for
from sweeps.search.searcher import Search
from sweeps.search.suggestion import trial_of
from sweeps.spec.reading import load_spec
from tests.sweeps.search.samplers import GIVEN
from tests.sweeps.specs import GOOD, write

MODULE = "tests.sweeps.search.samplers"
CONDITION = "  penalty: {values: [none, r1]}\n  penalty_weight: {min: 1.0, max: 9.0, when: {penalty: r1}}\n"


@pytest.fixture
def spec_of(tmp_path):
    def make(method, options="{}", text=GOOD):
        return load_spec(write(tmp_path, f"method: {method}\nmethod_options: {options}\n{text}"))

    return make


@pytest.mark.parametrize(
    ("method", "options", "attribute", "value"),
    [
        ("tpe", "{n_startup_trials: 3}", "_n_startup_trials", 3),
        ("gp", "{deterministic_objective: true}", "_deterministic", True),
        ("cmaes", "{popsize: 6}", "_popsize", 6),
        ("nsga2", "{population_size: 8}", "_population_size", 8),
    ],
)
def test_options_reach_optunas_samplers(spec_of, method, options, attribute, value):
    assert getattr(sampler_for(spec_of(method, options), 0), attribute) == value


@pytest.mark.parametrize("text", [GOOD, GOOD + CONDITION])
@pytest.mark.parametrize("multivariate", ["true", "false"])
def test_tpe_models_groups_of_parameters_with_conditions_if_it_may(spec_of, text, multivariate):
    rehearse(spec_of("tpe", f"{{multivariate: {multivariate}, n_startup_trials: 4}}", text))


def test_a_users_sampler_suggests_from_the_studys_scores(spec_of, tmp_path):
    GIVEN.clear()
    search = Search(spec_of(f"{MODULE}:Halving", "{shift: 0.00001}"), "tiny", tmp_path)
    search.suggest("a")
    search.on_trial_complete(
        trial_id="a", result={"status": "completed", "step": 20, "score": 5.0, "objectives": [5.0]}
    )
    assert trial_of(search.suggest("b")).params["lr"] == pytest.approx(3e-4 / 2 - 1e-5)
    assert {given["shift"] for given in GIVEN} == {1e-5}
    assert len({given["seed"] for given in GIVEN}) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_sampler", "returned int, which is not an Optuna sampler: return an instance of a subclass"),
        ("raising", "raised ZeroDivisionError: division by zero"),
        ("exiting", "raised SystemExit: 3"),
        ("Outside", r"suggested values outside of the search space: .*lr 1\.01 \(allowed: .*0\.01"),
    ],
)
def test_a_faulty_sampler_is_refused_in_one_sentence(spec_of, name, message):
    spec = spec_of(f"{MODULE}:{name}")
    with pytest.raises(SamplerError, match=f"method {MODULE}:{name} {message}"):
        rehearse(spec)


def test_an_option_that_the_sampler_refuses_is_refused_in_one_sentence(spec_of):
    with pytest.raises(SamplerError, match=r"^the sampler of method cmaes raised ValueError: "):
        rehearse(spec_of("cmaes", "{use_separable_cma: true, with_margin: true}"))


def test_a_sampler_that_raises_later_stops_the_search(spec_of, tmp_path):
    search = Search(spec_of(f"{MODULE}:raising", "{after: 2}"), "tiny", tmp_path)
    assert [search.suggest(tune_id) is None for tune_id in "abc"] == [False, False, True]
    with pytest.raises(SamplerError, match="raised ZeroDivisionError"):
        search.check()

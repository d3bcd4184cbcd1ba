import pytest

from gan_core.imports import imports
from sweeps.errors import SpecError
from sweeps.spec.reading import load_spec, read_spec
from tests.sweeps.specs import GOOD, write

MODULE = "tests.sweeps.search.samplers"


def spec_of(tmp_path, method, options=""):
    text = f"method: {method}\n" + (f"method_options: {options}\n" if options else "")
    return write(tmp_path, text + GOOD)


def test_a_file_without_permission_names_no_sampler(tmp_path):
    with imports(allowed=False), pytest.raises(SpecError, match=r"Halving names code.*--allow-imports"):
        load_spec(spec_of(tmp_path, f"{MODULE}:Halving"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Halfing", "", r"1:9: .* has no 'Halfing'; did you mean 'Halving'\?"),
        ("INSTANCE", "", "1:9: .*INSTANCE is a RandomSampler: name a class, or a function"),
        (
            "Halving",
            "{shft: 1}",
            r"2:18: unknown option 'shft' of .*; allowed: shift; did you mean 'shift'\?",
        ),
        (
            "unseeded",
            "{shift: 1}",
            "2:18: .*unseeded is a function that takes no options: add the parameter shift",
        ),
        ("Halving", "{seed: 1}", "2:18: seed cannot be set in method_options"),
        ("needing", "", "1:9: .*needing needs the options length: type them in method_options"),
    ],
)
def test_each_fault_of_a_users_sampler_names_its_place(tmp_path, name, options, message):
    with pytest.raises(SpecError, match=message):
        load_spec(spec_of(tmp_path, f"{MODULE}:{name}", options))


@pytest.mark.parametrize("name", ["no_sampler", "Halving"])
def test_options_of_a_users_sampler_are_passed_on(tmp_path, name):
    spec = load_spec(spec_of(tmp_path, f"{MODULE}:{name}", "{shift: [1, 2]}"))
    assert spec.method_options == {"shift": [1, 2]}


@pytest.mark.parametrize("method", [f"{MODULE}:INSTANCE", "tpee", "mine.Sampler"])
def test_a_refused_method_does_not_make_its_options_unknown(tmp_path, method):
    with pytest.raises(SpecError) as caught:
        load_spec(spec_of(tmp_path, method, "{sequence: [1, 2]}"))
    assert "method is" in str(caught.value)
    assert "option" not in str(caught.value)


def test_a_sampler_without_a_seed_gives_a_warning(tmp_path):
    _, (remark,) = read_spec(spec_of(tmp_path, f"{MODULE}:unseeded"))
    assert str(remark).endswith(
        "has no parameter for a seed, so that the same file suggests other trials in each sweep: add the"
        " parameter seed"
    )

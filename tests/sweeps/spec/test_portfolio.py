import json

import pytest

from sweeps.driver.preview import as_json
from sweeps.errors import SpecError
from sweeps.spec.portfolio import portfolio
from sweeps.spec.reading import load_spec, read_spec
from tests.sweeps.specs import GOOD, write

WIDE = """\
name: tiny
points: portfolio
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
  beta1: {min: 0.0, max: 0.9}
  noise_dim: {min: 1, max: 1000}
"""


def points_of(tmp_path, text):
    return load_spec(write(tmp_path, text)).first_points()


def test_the_portfolio_follows_the_baseline_with_the_parameters_of_the_space(tmp_path):
    first, *others = points_of(tmp_path, WIDE)
    assert first == {"lr": 3e-4, "beta1": 0.5, "noise_dim": 96}
    assert others == [
        {name: configuration[name] for name in ("lr", "beta1", "noise_dim")} for configuration in portfolio()
    ]


def test_values_outside_of_the_space_are_replaced_by_the_defaults_not_clipped(tmp_path):
    narrow = WIDE.replace("min: 1e-5, max: 1e-1", "min: 2e-4, max: 9e-4")
    outside = [each["lr"] > 9e-4 for each in portfolio()]
    assert True in outside
    first, *others = points_of(tmp_path, narrow)
    assert [point["lr"] == first["lr"] for point in others] == outside


def test_a_default_outside_of_the_space_is_the_nearest_value_inside(tmp_path):
    text = WIDE + "  loss: {values: [lsgan, hinge]}\n  batch_size: {values: [32, 64]}\n"
    text += "  lr_d: {min: 0.1, max: 0.2}\n  leaky_slope: {min: 0.5, max: 0.9}\n"
    _, second, *_ = points_of(tmp_path, text)
    assert {name: second[name] for name in ("loss", "batch_size", "lr_d", "leaky_slope")} == {
        "loss": "lsgan",
        "batch_size": 64,
        "lr_d": 0.1,
        "leaky_slope": 0.5,
    }


def test_conditions_hold_in_each_point(tmp_path):
    text = WIDE + "  penalty: {values: [r1, none]}\n"
    text += "  penalty_weight: {min: 20.0, max: 90.0, when: {penalty: r1}}\n"
    text += "  leaky_slope: {min: 0.0, max: 0.4, when: {penalty: r1}}\n"
    spec = load_spec(write(tmp_path, text))
    assert len(spec.first_points()) > 1
    assert all(spec.space.contains(point) for point in spec.first_points())


def test_a_space_without_a_value_of_the_portfolio_gives_a_warning(tmp_path):
    text = "name: tiny\npoints: [portfolio]\nparameters:\n  loss: {values: [bce, hinge]}\n"
    spec, (remark,) = read_spec(write(tmp_path, text))
    assert "2:9: no value of the portfolio lies in the search space" in str(remark)
    assert len(spec.first_points()) == 1


def test_the_preview_shows_what_is_tried_first(tmp_path):
    spec = load_spec(write(tmp_path, f"points: [portfolio]\n{GOOD}"))
    shown = json.loads(json.dumps(as_json(spec)))
    assert shown["first"] == spec.first_points()
    assert len(shown["first"]) > 1


@pytest.mark.parametrize("points", ["portfolo", "[portfolo]"])
def test_a_misspelt_name_of_points_is_corrected(tmp_path, points):
    with pytest.raises(SpecError, match=r"points\.0 is 'portfolo': .*; did you mean 'portfolio'\?"):
        load_spec(write(tmp_path, f"points: {points}\n{GOOD}"))

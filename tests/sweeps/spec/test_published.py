from sweeps.spec.published import SETTINGS
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import write

SPACE = """\
name: tiny
points: published
parameters:
  loss: {values: [bce, lsgan, wasserstein]}
  penalty: {values: [none, gradient-penalty, r1]}
  penalty_weight: {min: 1.0, max: 20.0, when: {penalty: [gradient-penalty, r1]}}
  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  beta1: {min: 0.0, max: 0.6}
"""


def test_the_published_settings_in_the_search_space_follow_the_baseline(tmp_path):
    points = load_spec(write(tmp_path, SPACE)).first_points()
    assert points == [
        {"loss": "bce", "penalty": "none", "lr": 3e-4, "beta1": 0.5},
        {"loss": "bce", "penalty": "none", "lr": 2e-4, "beta1": 0.5},
        {"loss": "lsgan", "penalty": "none", "lr": 1e-3, "beta1": 0.5},
        {
            "loss": "wasserstein",
            "penalty": "gradient-penalty",
            "penalty_weight": 10.0,
            "lr": 1e-4,
            "beta1": 0.0,
        },
        {"loss": "bce", "penalty": "r1", "penalty_weight": 10.0, "lr": 1e-4, "beta1": 0.0},
    ]


def test_published_settings_follow_the_files_own_points(tmp_path):
    text = SPACE.replace("points: published", "points: [{lr: 1e-2}, published]")
    spec = load_spec(write(tmp_path, text.replace("[bce, lsgan, wasserstein]", "[hinge, bce]")))
    learning_rates = [(point["loss"], point["lr"]) for point in spec.first_points()]
    papers = [("bce", 2e-4), ("hinge", 1e-4), ("bce", 1e-4)]
    assert learning_rates == [("bce", 3e-4), ("bce", 1e-2), *papers]


def test_each_published_setting_names_its_paper_and_is_a_valid_configuration(tmp_path):
    spec = load_spec(write(tmp_path, SPACE))
    for setting in SETTINGS:
        assert "arXiv:" in setting.source
        config = spec.trial_config(dict(setting.params), 0)
        assert config.loss == setting.params["loss"]

import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from gan_core.images import to_unit_range
from gan_core.metrics import Gaussian, frechet_distance


def gaussian(mean, covariance):
    return Gaussian(torch.tensor(mean, dtype=torch.float64), torch.tensor(covariance, dtype=torch.float64))


def test_equal_gaussians_are_at_distance_zero_also_where_singular():
    singular = gaussian([1.0, 2.0], [[1.0, 1.0], [1.0, 1.0]])
    assert frechet_distance(singular, singular) == pytest.approx(0, abs=1e-12)


def test_a_shift_costs_its_square():
    identity = [[1.0, 0.0], [0.0, 1.0]]
    assert frechet_distance(gaussian([0.0, 0.0], identity), gaussian([3.0, 4.0], identity)) == pytest.approx(
        25
    )


def test_commuting_covariances_have_a_closed_form():
    a, b = gaussian([0.0, 0.0], [[4.0, 0.0], [0.0, 9.0]]), gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 16.0]])
    assert frechet_distance(a, b) == pytest.approx((2 - 1) ** 2 + (3 - 4) ** 2)


def test_the_distance_is_symmetric():
    a, b = gaussian([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]), gaussian([1.0, 0.0], [[1.0, -0.3], [-0.3, 3.0]])
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_torchmetrics_agrees_on_real_features(digits, evaluator):
    real = evaluator.features(to_unit_range(digits.held_out))
    fake = evaluator.features(to_unit_range(digits.train[::5]))
    reference = FrechetInceptionDistance(feature=Identity(real.shape[1])).set_dtype(torch.float64)
    reference.update(real.double(), real=True)
    reference.update(fake.double(), real=False)
    ours = frechet_distance(Gaussian.fit(fake), Gaussian.fit(real))
    assert ours == pytest.approx(reference.compute().item(), rel=1e-4)


class Identity(torch.nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.num_features = num_features

    def forward(self, features):
        return features


def test_one_feature_vector_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2"):
        Gaussian.fit(torch.zeros(1, 3))


def test_the_score_orders_what_eyes_would_order(digits, evaluator):
    real = to_unit_range(digits.train[::4])
    rng = torch.Generator().manual_seed(0)
    noise = torch.rand(1000, 1, 28, 28, generator=rng) * 2 - 1
    ones = to_unit_range(digits.train[digits.train_labels == 1])
    grainy = (real + 0.3 * noise).clamp(-1, 1)
    of_real, of_grainy, of_ones, of_noise = (evaluator(x)["fid"] for x in (real, grainy, ones, noise))
    assert of_real < of_grainy < min(of_ones, of_noise)
    assert of_noise > 100 * evaluator.floor > 0


def test_the_held_out_images_themselves_score_zero(digits, evaluator):
    assert evaluator(to_unit_range(digits.held_out))["fid"] == pytest.approx(0, abs=1e-6)

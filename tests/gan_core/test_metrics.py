from math import log

import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gan_core.extractors import load_extractor
from gan_core.images import normalize
from gan_core.metrics import (
    Gaussian,
    Manifold,
    MeanEmbedding,
    class_kl,
    copies,
    frechet_distance,
    kernel_distance,
    memorisation,
    modes,
    nearest_distances,
    precision_recall_coverage,
)


@pytest.fixture(scope="module")
def features(digits):
    extractor = load_extractor("classifier", digits)

    def compute(images):
        with torch.inference_mode():
            return extractor.network(normalize(images))[0]

    return compute


@pytest.fixture(scope="module")
def real(digits, features):
    return features(digits.held_out)


@pytest.fixture(scope="module")
def fake(digits, features):
    """Features of 1,000 noisy digits: different from the held-out ones, but close."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 90, (1000, 1, 28, 28), generator=rng)
    return features((digits.train[::4] + noise).clamp(0, 255))


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


def test_torchmetrics_agrees_on_real_features(real, fake):
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


def test_torch_fidelity_agrees_on_real_features(real, fake):
    statistics = [fid_features_to_statistics(features) for features in (fake, real)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)
    theirs |= kid_features_to_metric(fake, real, kid_subsets=1, kid_subset_size=1000, verbose=False)
    theirs |= prc_features_to_metric(fake, real, prc_neighborhood=3, verbose=False)
    ours = (
        frechet_distance(Gaussian.fit(fake), Gaussian.fit(real)),
        kid(fake, real),
        *scores(fake, real)[:2],
    )
    names = ("frechet_inception_distance", "kernel_inception_distance_mean", "precision", "recall")
    assert ours == pytest.approx([theirs[name] for name in names], rel=1e-4)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all:UserWarning")
def test_torchmetrics_agrees_on_the_kernel_distance(real, fake):
    reference = KernelInceptionDistance(feature=Identity(64), subsets=1, subset_size=1000)
    reference.update(real.double(), real=True)
    reference.update(fake.double(), real=False)
    mean, _ = reference.compute()
    assert kid(fake, real) == pytest.approx(mean.item(), rel=1e-4)


def kid(fake, real):
    return kernel_distance(MeanEmbedding.fit(fake), MeanEmbedding.fit(real))


def scores(fake, real):
    shares = precision_recall_coverage(Manifold.fit(fake), Manifold.fit(real))
    return shares["precision"], shares["recall"], shares["coverage"]


def cloud(n, seed, at=0.0, spread=1.0):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)) * spread + at


def test_equal_sets_have_all_that_there_is(real):
    assert scores(real, real) == (1, 1, 1)
    assert frechet_distance(Gaussian.fit(real), Gaussian.fit(real)) == pytest.approx(0, abs=1e-6)


def test_disjoint_sets_have_nothing_in_common():
    assert scores(cloud(50, 0, at=100.0), cloud(50, 1)) == (0, 0, 0)


def test_a_collapse_to_one_mode_has_high_precision_and_little_else():
    real = torch.cat([cloud(50, seed, at=20.0 * seed) for seed in range(8)])
    collapsed = cloud(200, 9, at=20.0, spread=0.3)
    of_collapse = scores(collapsed, real)
    assert of_collapse[0] > 0.95
    assert max(of_collapse[1:]) < 0.15


def test_the_balls_reach_to_the_third_and_fifth_nearest_other():
    line = torch.arange(10.0).unsqueeze(1)
    manifold = Manifold.fit(line)
    assert manifold.radius(3).tolist() == pytest.approx([9, 4, 4, 4, 4, 4, 4, 4, 4, 9])
    assert manifold.radius(5)[:3].tolist() == pytest.approx([25, 16, 9])
    far = torch.tensor([[-3.0], [-3.1], [12.0], [12.1], [50.0], [60.0]])
    of_far = scores(far, line)
    assert (of_far[0], of_far[2]) == pytest.approx((2 / 6, 4 / 10))


def test_equal_features_are_at_distance_zero_also_far_from_the_origin():
    twins = cloud(40, 0, at=1000.0).repeat(6, 1)
    assert Manifold.fit(twins).radii.abs().max() == 0
    assert nearest_distances(twins, twins).abs().max() == 0


def test_the_kernel_distance_of_small_sets_by_hand():
    fake, real = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    within_fake, within_real, between = 1.0, 27.0, (1 + 1 + 8 + 27) / 4
    assert kid(fake, real) == pytest.approx(within_fake + within_real - 2 * between)


def test_the_kernel_distance_between_halves_of_one_set_is_zero_on_average(real):
    rng = torch.Generator().manual_seed(0)
    halves = [real[torch.randperm(1000, generator=rng)].split([300, 700]) for _ in range(40)]
    distances = torch.tensor([kid(*pair) for pair in halves])
    assert distances.mean().abs() < 3 * distances.std() / 40**0.5
    assert distances.min() < 0 < distances.max()


def test_memorisation_separates_copies_of_training_images_from_new_ones(digits, features, real):
    train = features(digits.train)
    of_real = nearest_distances(real, train)
    fresh, seen, none = of_real[::2], of_real[1::2], torch.zeros(500)
    assert nearest_distances(train[:500], train).equal(none.double())
    assert memorisation(none, of_real) == 0
    assert memorisation(fresh, seen) == pytest.approx(1, abs=0.15)
    assert memorisation(nearest_distances(train[:500] + 0.01, train), of_real) < 0.2
    assert memorisation(fresh, none) == float("inf")
    assert memorisation(none, none) == 1


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.2, 0.49])
def test_copies_are_counted_also_if_they_are_few(digits, features, real, share):
    """The rest are held-out images, or noise, which is far from all training images."""
    train, n_copies = features(digits.train), round(500 * share)
    noise = features(torch.randint(256, (500, 1, 28, 28), dtype=torch.uint8))
    limits = nearest_distances(real[1::2], train)
    for rest in (real[::2], noise):
        distances = nearest_distances(torch.cat([train[:n_copies], rest[n_copies:]]), train)
        assert copies(distances, limits) == pytest.approx(share, abs=0.02)


def test_copies_beyond_those_among_held_out_images_count():
    held_out = torch.tensor([0.0] * 5 + [1.0] * 95)
    assert copies(torch.tensor([0.0] * 50 + [2.0] * 50), held_out) == pytest.approx(0.45)
    assert copies(torch.ones(10), held_out) == 0


def test_copies_of_one_real_image_cover_all_whose_balls_reach_it(real):
    reached = Manifold.fit(real)
    for index in range(0, 1000, 25):
        distances = torch.cdist(
            reached.features, reached.features[[index]], compute_mode="donot_use_mm_for_euclid_dist"
        )
        within = (distances.squeeze(1).square() <= reached.radii[:, 4] * (1 + 1e-9)).double().mean()
        copies = Manifold.fit(real[[index]].repeat(10, 1))
        assert precision_recall_coverage(copies, reached)["coverage"] == within.item()


def test_the_median_of_two_is_between_them():
    at = torch.tensor([[0.0], [1.0], [3.0]])
    distances = (nearest_distances(points, at[:1]) for points in (at[1:], torch.tensor([[4.0]])))
    assert memorisation(*distances) == pytest.approx(0.5)


def test_modes_and_class_kl():
    assert class_kl(torch.eye(5).repeat(20, 1)) == 0
    one, half = torch.eye(10)[[3] * 200], torch.eye(10)[torch.arange(200) % 5]
    assert (modes(one), class_kl(one)) == (1, pytest.approx(log(10)))
    assert (modes(half), class_kl(half)) == (5, pytest.approx(log(2)))
    rare = torch.eye(10)[[0] * 197 + [1, 2, 2]]
    assert modes(rare) == 2
    many = torch.eye(200).repeat(5, 1)
    assert modes(many) == 200


@pytest.mark.parametrize(
    "measure",
    [
        lambda: MeanEmbedding.fit(torch.zeros(1, 3)),
        lambda: Manifold.fit(torch.zeros(5, 3)),
        lambda: modes(torch.zeros(0, 10)),
        lambda: class_kl(torch.zeros(0, 10)),
        lambda: nearest_distances(torch.zeros(0, 3), torch.zeros(5, 3)),
        lambda: nearest_distances(torch.zeros(5, 3), torch.zeros(0, 3)),
    ],
)
def test_too_few_features_are_refused(measure):
    with pytest.raises(ValueError, match="at least"):
        measure()

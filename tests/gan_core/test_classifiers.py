from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import avg_pool2d, one_hot

from gan_core import Evaluator
from gan_core.accuracy import Accuracy
from gan_core.classifiers import ResidualClassifier, accuracy, train_classifier, training, weights
from gan_core.errors import CorruptedAssetError, ExtractorUnavailableError
from gan_core.extractors import load_extractor
from gan_core.images import normalize


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path))
    for name in ("_GREY", "_COLOUR"):
        monkeypatch.setattr(training, name, replace(getattr(training, name), max_epochs=2))
    return tmp_path


def test_the_packaged_classifier_knows_the_held_out_digits(digits):
    extractor = load_extractor("classifier", digits)
    assert extractor.sha256 == weights.ASSET_SHA256
    _, logits = extractor.network(normalize(digits.held_out))
    assert Accuracy.measure(logits, digits.held_out_labels) == Accuracy(0.983, 0.1, 1000)


def test_a_changed_classifier_is_refused(tmp_path, monkeypatch, digits):
    changed = tmp_path / "classifier.safetensors"
    changed.write_bytes(weights.ASSET.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(weights, "ASSET", changed)
    with pytest.raises(CorruptedAssetError, match="reinstall the package"):
        load_extractor("classifier", digits)


def test_training_is_seeded_and_leaves_the_global_random_state_alone(digits):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    calls = []
    first = train_classifier(digits, seed=3, max_steps=62)
    second = train_classifier(digits, seed=3, max_steps=62, on_progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(50, 62), (62, 62)]
    assert all(0.5 < share <= 1 for *_, share in calls)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    assert accuracy(first, digits.held_out, digits.held_out_labels) > 0.5


def test_any_other_dataset_with_classes_gets_a_classifier_of_its_own_once(digits, cache, monkeypatch):
    ones_and_twos = [
        (labels == 1) | (labels == 2) for labels in (digits.train_labels, digits.held_out_labels)
    ]
    other = replace(
        digits,
        name="ones and twos",
        train=digits.train[ones_and_twos[0]],
        train_labels=digits.train_labels[ones_and_twos[0]],
        held_out=digits.held_out[ones_and_twos[1]],
        held_out_labels=digits.held_out_labels[ones_and_twos[1]],
    )
    extractor = load_extractor("classifier", other)
    (file,) = cache.glob("classifiers/*.safetensors")
    with monkeypatch.context() as read_only:
        read_only.delattr(weights, "locked_cache")
        assert load_extractor("classifier", other).sha256 == extractor.sha256 != weights.ASSET_SHA256
    assert len(load_file(file)["head.bias"]) == 3
    file.write_bytes(b"no weights")
    with pytest.raises(CorruptedAssetError, match=r"classifier of ones and twos is corrupted .*delete /"):
        load_extractor("classifier", other)


@pytest.mark.parametrize("labels", [None, torch.zeros(4000).long(), torch.arange(4000) - 1])
def test_images_without_classes_need_inception(digits, cache, labels):
    held_out = None if labels is None else digits.held_out_labels
    without = replace(digits, name="faces", train_labels=labels, held_out_labels=held_out)
    with pytest.raises(
        ExtractorUnavailableError, match=r"faces has no classes .* or use extractor: inception"
    ):
        load_extractor("classifier", without)


def test_few_images_are_enough_for_a_classifier(digits, cache):
    few = replace(digits, name="few", train=digits.train[::100], train_labels=digits.train_labels[::100])
    assert load_extractor("classifier", few).sha256 != weights.ASSET_SHA256


def test_the_digits_classifier_is_for_digits_alone(digits, cache):
    smaller = replace(digits, train=digits.train[..., :20, :20], held_out=digits.held_out[..., :20, :20])
    assert load_extractor("classifier", smaller).sha256 != weights.ASSET_SHA256


def test_colour_images_get_a_residual_classifier(digits, cache):
    """Digits in random colours on random colours: the values of single pixels do not give the class away."""
    rng = torch.Generator().manual_seed(0)

    def coloured(images):
        share = avg_pool2d(images[:, :, 2:26, 2:26].float(), 2) / 255
        one, other = torch.rand(2, len(images), 3, 1, 1, generator=rng) * 255
        return (one * share + other * (1 - share)).to(torch.uint8)

    images = replace(digits, name="colours", train=coloured(digits.train), held_out=coloured(digits.held_out))
    extractor = load_extractor("classifier", images)
    features, logits = extractor.network(normalize(images.held_out))
    assert features.shape == (1000, 128)
    assert features.min() >= 0
    assert Accuracy.measure(logits, images.held_out_labels).share > 0.3


def test_a_classifier_of_random_labels_is_refused_with_what_to_do(digits, cache):
    rng = torch.Generator().manual_seed(0)
    labels = {
        "train_labels": digits.train_labels[torch.randperm(4000, generator=rng)],
        "held_out_labels": digits.held_out_labels[torch.randperm(1000, generator=rng)],
    }
    with pytest.raises(
        ExtractorUnavailableError,
        match=r"photos: the classifier .* right on 1?\d\.\d % of 1,000 held-out images \(the largest class:"
        r" 10\.0 %\), which is not significantly better .*: correct the labels .* extractor: inception",
    ):
        Evaluator(replace(digits, name="photos", **labels))


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 24, 40), (3, 132, 64)])
def test_a_residual_classifier_takes_images_of_any_size(shape):
    classifier = ResidualClassifier(shape, 5).eval()
    features, logits = classifier(torch.zeros(2, *shape))
    assert (features.shape, logits.shape) == ((2, 128), (2, 5))


@pytest.mark.parametrize(
    ("right", "is_significant", "is_weak"),
    [(110, False, True), (118, True, True), (549, True, True), (550, True, False), (983, True, False)],
)
def test_an_accuracy_is_compared_with_that_of_naming_the_largest_class(right, is_significant, is_weak):
    labels = torch.arange(1000) % 10
    logits = one_hot(labels.where(torch.arange(1000) < right, labels + 1) % 10, 10)
    found = Accuracy.measure(logits.float(), labels)
    assert found.share == right / 1000
    assert (found.is_significant, found.is_weak) == (is_significant, is_weak)


@pytest.mark.parametrize(
    ("right", "images", "chance", "is_chance"),
    [
        (9, 16, 0.5, False),
        (25, 50, 0.5, True),
        (38, 50, 0.5, False),
        (6, 60, 0.1, True),
        (110, 1000, 0.1, True),
        (118, 1000, 0.1, False),
    ],
)
def test_an_accuracy_is_chance_only_on_enough_images_to_say_so(right, images, chance, is_chance):
    assert Accuracy(right / images, chance, images).is_chance == is_chance


def test_few_images_of_one_class_prove_nothing():
    assert not Accuracy(1.0, 1.0, 6).is_significant
    assert Accuracy(1.0, 0.5, 6).is_significant
    assert not Accuracy(1.0, 0.5, 4).is_significant

from dataclasses import replace

import pytest
import torch

from gan_core import DatasetError, Evaluator, ImageDataset, evaluation
from gan_core.datasets import MIN_IMAGES
from gan_core.images import normalize
from gan_core.metrics import COVERAGE_NEIGHBOURS


def test_the_score_orders_what_eyes_would_order(digits, evaluator):
    real = normalize(digits.train[::4])
    rng = torch.Generator().manual_seed(0)
    noise = torch.rand(1000, 1, 28, 28, generator=rng) * 2 - 1
    ones = normalize(digits.train[digits.train_labels == 1])
    grainy = (real + 0.3 * noise).clamp(-1, 1)
    scores = [evaluator.score([images]) for images in (real, grainy, ones, noise)]
    of_real, of_grainy, of_ones, of_noise = (score["fid"] for score in scores)
    assert of_real < of_grainy < min(of_ones, of_noise)
    assert of_noise > 100 * evaluator.floor(1000).scores["fid"] > 0
    assert [score["modes"] for score in scores[:3]] == [10, 10, 1]
    assert scores[0]["recall"] > scores[2]["recall"]


def test_the_held_out_images_themselves_score_zero(digits, evaluator):
    scores = evaluator.score(normalize(digits.held_out).split(300))
    assert scores["fid"] == pytest.approx(0, abs=1e-6)
    assert (scores["precision"], scores["recall"], scores["coverage"], scores["modes"]) == (1, 1, 1, 10)


def test_images_are_scored_as_floats_or_as_uint8(digits, evaluator):
    images = digits.train[:300]
    assert evaluator.score(images.split(100)) == evaluator.score(normalize(images).split(100))


def test_a_floor_is_what_as_many_real_images_score(digits, evaluator):
    floors = [evaluator.floor(n) for n in (1000, 2000, 4000)]
    assert [floor.images for floor in floors] == [1000, 2000, 4000]
    assert [floor.scores["fid"] for floor in floors] == pytest.approx([11.57, 8.12, 7.13], abs=0.01)
    assert floors[2].scores == evaluator.score(normalize(digits.train).split(250))
    assert {floor.scores["modes"] for floor in floors} == {10}
    assert floors[2].scores["precision"] > 0.7


def test_a_floor_of_more_images_than_there_are_is_that_of_all_and_says_so(evaluator):
    assert evaluator.floor(50_000) == evaluator.floor(4000)


def test_the_training_images_may_be_the_reference(digits, evaluator):
    against_train = Evaluator(digits, reference="train")
    assert against_train.score(normalize(digits.train).split(250))["fid"] == pytest.approx(0, abs=1e-6)
    assert against_train.floor(4000).images == 1000
    assert against_train.floor(1000).scores["fid"] == pytest.approx(7.13, abs=0.01)
    copies = against_train.final_score([normalize(digits.train[::4])])
    assert copies["memorisation"] == 0
    assert against_train.protocol != evaluator.protocol == evaluator.extractor == against_train.extractor


def test_the_accuracy_of_the_classifier_is_known(evaluator):
    assert str(evaluator.accuracy) == "right on 98.3 % of 1,000 held-out images (the largest class: 10.0 %)"
    assert evaluator.warnings([1000, 4000]) == []


def test_too_few_samples_for_the_covariance_are_a_warning_with_the_number_to_type(evaluator):
    (warning,) = evaluator.warnings([4000, 64])
    assert warning == (
        "fid compares covariances of 64 features, and 64 samples do not determine one: type 65 or more for"
        " eval_samples and final_samples"
    )


def test_a_weak_classifier_is_a_warning(digits):
    half = digits.held_out_labels.where(torch.arange(1000) % 2 == 0, (digits.held_out_labels + 1) % 10)
    (warning,) = Evaluator(replace(digits, held_out_labels=half)).warnings([1000])
    assert warning.startswith("the classifier that measures the scores is weak: it is right on 49.")


def test_a_reference_of_few_images_is_a_warning(digits):
    few = replace(digits, held_out=digits.held_out[::20], held_out_labels=digits.held_out_labels[::20])
    (warning,) = Evaluator(few).warnings([1000])
    assert "the 50 held-out images do not determine one" in warning


def test_the_distances_of_held_out_images_are_computed_once(digits, monkeypatch):
    points = []
    nearest = evaluation.nearest_distances
    monkeypatch.setattr(evaluation, "nearest_distances", lambda *sets: points.append(sets) or nearest(*sets))
    evaluator = Evaluator(digits)
    for _ in range(2):
        evaluator.final_score([normalize(digits.train[:100])])
    assert sorted(len(each) for each, _ in points) == [100, 100, 1000]


def test_the_root_of_the_references_covariance_is_computed_once(digits, monkeypatch):
    calls = []
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: calls.append(matrix) or eigh(matrix))
    evaluator = Evaluator(digits)
    for _ in range(3):
        evaluator.score([normalize(digits.train[:100])])
    assert len(calls) == 1


def test_no_images_have_no_score(evaluator):
    with pytest.raises(ValueError, match="there are no images to score"):
        evaluator.score([])


def test_the_final_score_knows_copies_of_training_images(digits, evaluator):
    copies = evaluator.final_score([normalize(digits.train[::4])])
    assert copies["memorisation"] == 0
    fresh = evaluator.final_score([normalize(digits.held_out)])
    assert fresh["memorisation"] == 1


def test_a_dataset_has_enough_images_to_measure_with(digits):
    assert MIN_IMAGES == COVERAGE_NEIGHBOURS + 1
    with pytest.raises(DatasetError, match="few: held_out must have at least 6 images, got 5"):
        replace(digits, name="few", held_out=digits.held_out[:5], held_out_labels=None, train_labels=None)


def test_too_few_images_to_judge_the_classifier_are_a_warning(cache):
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (80, 1, 8, 8), generator=rng, dtype=torch.uint8)
    labels = torch.arange(80) % 2
    evaluator = Evaluator(
        ImageDataset(
            "photos", images[:64], images[64:], train_labels=labels[:64], held_out_labels=labels[64:]
        )
    )
    assert not evaluator.accuracy.is_significant
    assert "too few images to know whether it has learned the classes" in evaluator.warnings([128])[0]

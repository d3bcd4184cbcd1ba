from dataclasses import replace

import pytest
import torch

from gan_core import DatasetError, Evaluator
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
    assert of_noise > 100 * evaluator.floors["fid"] > 0
    assert [score["modes"] for score in scores[:3]] == [10, 10, 1]
    assert scores[0]["recall"] > scores[2]["recall"]


def test_the_held_out_images_themselves_score_zero(digits, evaluator):
    scores = evaluator.score(normalize(digits.held_out).split(300))
    assert scores["fid"] == pytest.approx(0, abs=1e-6)
    assert (scores["precision"], scores["recall"], scores["coverage"], scores["modes"]) == (1, 1, 1, 10)


def test_floors_are_what_real_images_score(digits, evaluator):
    assert evaluator.floors == evaluator.score(normalize(digits.train).split(500))
    assert 0 < evaluator.floors["fid"] < 10
    assert evaluator.floors["precision"] > 0.7


def test_floors_of_many_images_are_of_some_that_are_spread_over_all(digits, evaluator, monkeypatch):
    monkeypatch.setattr("gan_core.evaluation.MAX_FLOOR_IMAGES", 1000)
    floors = Evaluator(digits).floors
    assert floors["modes"] == 10
    assert evaluator.floors["fid"] < floors["fid"] < 5 * evaluator.floors["fid"]


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

import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from gan_core import features
from gan_core.errors import CorruptedAssetError, ExtractorUnavailableError, UnknownNameError
from gan_core.features import accuracy, load_extractor, train_classifier


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path))
    monkeypatch.setattr(features, "MAX_EPOCHS", 2)
    return tmp_path


def test_the_packaged_classifier_knows_the_held_out_digits(digits):
    extractor = load_extractor("classifier", digits)
    assert extractor.sha256 == features.ASSET_SHA256
    assert accuracy(extractor.network, digits.held_out, digits.held_out_labels) > 0.97


def test_a_changed_classifier_is_refused(tmp_path, monkeypatch, digits):
    changed = tmp_path / "classifier.safetensors"
    changed.write_bytes(features.ASSET.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(features, "ASSET", changed)
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
        read_only.delattr(features, "locked_cache")
        assert load_extractor("classifier", other).sha256 == extractor.sha256 != features.ASSET_SHA256
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
    assert load_extractor("classifier", few).sha256 != features.ASSET_SHA256


def test_an_unknown_extractor_lists_the_allowed_ones(digits):
    with pytest.raises(UnknownNameError, match=r"'incepton'; allowed: .*did you mean 'inception'"):
        load_extractor("incepton", digits)


def test_the_digits_classifier_is_for_digits_alone(digits, cache):
    smaller = replace(digits, train=digits.train[..., :20, :20], held_out=digits.held_out[..., :20, :20])
    assert load_extractor("classifier", smaller).sha256 != features.ASSET_SHA256


class Malice:
    def __reduce__(self):
        return print, ("code ran",)


def test_inception_without_its_weights_says_where_they_belong(tmp_path, monkeypatch, digits, capfd):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ExtractorUnavailableError) as unavailable:
        load_extractor("inception", digits)
    assert str(tmp_path / "hub" / "checkpoints") in str(unavailable.value)
    assert "or use extractor: classifier" in str(unavailable.value)

    weights = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    torch.save({"weights": Malice()}, weights)
    with pytest.raises(ExtractorUnavailableError, match="extractor: classifier"):
        load_extractor("inception", digits)
    assert "code ran" not in capfd.readouterr().out
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ

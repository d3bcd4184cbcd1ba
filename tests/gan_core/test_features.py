import pytest
import torch

from gan_core import features, load_dataset
from gan_core.errors import CorruptedAssetError
from gan_core.features import accuracy, load_digit_classifier, train_digit_classifier


def test_the_packaged_classifier_knows_the_held_out_digits():
    data = load_dataset("mnist-5k")
    assert accuracy(load_digit_classifier(), data.held_out, data.held_out_labels) > 0.97


def test_a_changed_classifier_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "classifier.safetensors"
    changed.write_bytes(features.ASSET.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(features, "ASSET", changed)
    with pytest.raises(CorruptedAssetError, match="install the package again"):
        load_digit_classifier()


def test_training_is_seeded_and_leaves_the_global_random_state_alone():
    data = load_dataset("mnist-5k")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (train_digit_classifier(data, epochs=1, seed=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    assert accuracy(first, data.held_out, data.held_out_labels) > 0.5

import os

import pytest
import torch
from torch import nn

from gan_core import Evaluator
from gan_core.errors import ContractError, ExtractorUnavailableError, ImportPathError, UnknownNameError
from gan_core.extractors import Extractor, load_extractor


def test_an_unknown_extractor_lists_the_allowed_ones(digits):
    with pytest.raises(UnknownNameError, match=r"'incepton'; allowed: .*did you mean 'inception'"):
        load_extractor("incepton", digits)


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


class Tiles(Extractor):
    """The mean brightness of each of 16 tiles."""

    def network(self, weights):
        return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())


class OtherTiles(Tiles):
    pass


class Learned(Tiles):
    def train(self, on_progress=None):
        return bytes(self.data.train[0, 0, 14])

    def network(self, weights):
        layer = nn.Linear(784, 28)
        nn.init.constant_(layer.weight, 0.01)
        layer.bias.data = torch.tensor([float(each) for each in weights])
        return nn.Sequential(nn.Flatten(), layer)


def test_users_extractors_score_and_have_hashes_of_their_own(digits):
    names = [f"{__name__}:{each.__name__}" for each in (Tiles, OtherTiles, Learned)]
    evaluators = [Evaluator(digits, extractor=name) for name in names]
    assert len({evaluator.extractor for evaluator in evaluators}) == 3
    assert Evaluator(digits, extractor=names[0]).extractor == evaluators[0].extractor
    scores = evaluators[0].score([torch.zeros(100, 1, 28, 28)])
    assert scores["fid"] > evaluators[0].floor(100).scores["fid"]
    assert "modes" not in scores
    assert evaluators[0].accuracy is None


class OfTheBatch(Tiles):
    def network(self, weights):
        class Centred(nn.Module):
            def forward(self, images):
                return (images - images.mean(0)).flatten(1)

        return Centred()


class Flat(Tiles):
    def network(self, weights):
        return nn.Flatten(0)


class Colour(Tiles):
    def network(self, weights):
        return nn.Conv2d(3, 8, 3)


class Unloadable(Tiles):
    def network(self, weights):
        raise OSError("no weights here")


@pytest.mark.parametrize(
    ("extractor", "fault"),
    [
        (OfTheBatch, "depend on the other images"),
        (Flat, r"features \(N, d\), float: got torch.float32 of shape \(6272,\)"),
        (Colour, r"the network raised RuntimeError: .* for images of shape \(8, 1, 28, 28\)"),
        (Unloadable, "loading it raised OSError: no weights here"),
    ],
)
def test_a_users_extractor_that_breaks_the_contract_is_named(digits, extractor, fault):
    with pytest.raises(ContractError, match=f"extractor {__name__}:{extractor.__name__}: .*{fault}"):
        load_extractor(f"{__name__}:{extractor.__name__}", digits)


def test_a_users_extractor_must_be_a_class_of_the_contract(digits):
    with pytest.raises(ImportPathError, match=r"must be a subclass of gan_core\.extractors\.Extractor"):
        load_extractor("torch.nn:Flatten", digits)

"""Components with parameters of their own, from their declaration to a training and a saved generator."""

from typing import Annotated, ClassVar

import pytest
import torch
from pydantic import Field, ValidationError
from torch import nn

from gan_core import (
    CheckpointMismatchError,
    CorruptedCheckpointError,
    TrialConfig,
    check_contract,
    load_generator,
    save_generator,
    train,
)
from gan_core.architectures import Architecture, architectures
from gan_core.checkpoint import load_checkpoint
from gan_core.component import Component, parameters_of
from gan_core.config import CHANGEABLE
from gan_core.errors import ContractError, ImportPathError
from gan_core.hyperparameters import Hyperparameters
from gan_core.losses import losses
from gan_core.penalties import penalties
from gan_core.trainer import Trainer
from tests.gan_core import small_components
from tests.gan_core.small_components import Drift, Margin, Narrow, Wide

MODULE = "tests.gan_core.small_components"
WIDE, NARROW, MARGIN, DRIFT = (f"{MODULE}:{name}" for name in ("Wide", "Narrow", "Margin", "Drift"))
SHAPE = (1, 8, 8)


class Sized(Component):
    constant = 3
    of_class: ClassVar[int] = 4
    sizes: tuple[int, ...] = (1, 2)
    _private: int = 5
    rate: float = Field(0.5, gt=0)


class WithoutDefault(Architecture):
    width: int
    generator, discriminator = Wide.generator, Wide.discriminator


class WithBadDefault(Architecture):
    width: Annotated[int, Field(ge=8)] = 4
    generator, discriminator = Wide.generator, Wide.discriminator


class Borrowing(Architecture):
    discriminator = architectures.get("mlp").discriminator

    def generator(config, image_shape):  # noqa: N805 - static, although it is not marked
        return architectures.get("mlp").generator(config, image_shape)


class Breaking(Wide):
    def generator(self, config, image_shape):
        if self.width > 100:
            raise RuntimeError("too wide")
        return super().generator(config, image_shape)


class DeclaresByParameter(Wide):
    normalised: bool = False

    @property
    def independent_rows(self):
        return not self.normalised

    def discriminator(self, config, image_shape):
        layers = [nn.BatchNorm2d(image_shape[0])] if self.normalised else []
        return nn.Sequential(*layers, super().discriminator(config, image_shape))


def test_annotated_attributes_with_a_scalar_default_are_parameters():
    assert list(parameters_of(Sized).model_fields) == ["rate"]
    assert Sized().rate == 0.5
    assert Sized(rate=1.5).rate == 1.5
    assert Sized().constant == 3


def test_a_subclass_inherits_parameters_and_may_change_them():
    assert list(parameters_of(Narrow).model_fields) == ["width", "activation", "bias"]
    assert Narrow().width == 16
    with pytest.raises(ValidationError, match="less than or equal to 32"):
        Narrow(width=64)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("WithoutDefault", r"WithoutDefault\.width needs a default: type width: TYPE = VALUE"),
        ("WithBadDefault", r"the default of WithBadDefault\.width is 4: Input should be greater"),
    ],
)
def test_a_parameter_that_is_badly_declared_is_refused_with_its_component(name, message):
    with pytest.raises(ImportPathError, match=rf"{name} is not a valid architecture: {message}"):
        architectures.check(f"{__name__}:{name}")


def test_a_config_has_the_parameters_of_its_components_in_one_spelling():
    config = TrialConfig(architecture=WIDE, loss=MARGIN, **{"architecture.width": 32})
    dumped = config.model_dump()
    assert dumped["architecture.width"] == 32
    assert dumped["architecture.activation"] == "relu"
    assert dumped["loss.margin"] == 1.0
    assert TrialConfig.model_validate(dumped) == config
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    assert config != TrialConfig(architecture=WIDE, loss=MARGIN)
    assert config.component("architecture").width == 32


def test_configs_without_such_components_are_as_before():
    assert TrialConfig().model_dump().keys() == TrialConfig.model_fields.keys()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"architecture.width": 4}, "greater than or equal to 8"),
        ({"architecture.width": 8.5}, "valid integer"),
        ({"architecture.activation": "gelu"}, "'relu' or 'tanh'"),
        (
            {"architecture.wdth": 8},
            r"no parameter 'architecture\.wdth'; .*did you mean 'architecture\.width'",
        ),
        ({"penalty.power": 2}, r"penalty none has no parameter 'penalty\.power'; it has no parameters"),
        ({"width": 8}, "unknown hyperparameter 'width'; allowed: steps"),
        ({"lrr": 0.1}, "did you mean 'lr'"),
        ({"optimizer.lr": 0.1}, r"unknown hyperparameter 'optimizer\.lr'"),
    ],
)
def test_a_wrong_parameter_is_refused_with_the_rule(values, message):
    with pytest.raises(ValidationError, match=message):
        TrialConfig(architecture=WIDE, **values)


def test_only_users_components_have_parameters():
    assert losses.parameters("bce").model_fields == {}
    assert penalties.parameters("r1").model_fields == {}
    with pytest.raises(ValueError, match="a packaged component has no parameters"):
        architectures.register("wide")(Wide)


def test_the_hyperparameters_of_a_sweep_are_those_of_all_components_it_chooses_among():
    known = Hyperparameters(TrialConfig, {"architecture": ["mlp", WIDE, NARROW], "loss": [MARGIN]})
    width = known["architecture.width"]
    assert width.chosen_by == "architecture"
    assert list(width.models) == [WIDE, NARROW]
    assert width.is_whole
    assert width.description == "Hidden units."
    assert "32" in width.rejection(64)
    assert NARROW in width.rejection(64)
    assert width.rejection(32) is None
    assert list(known["architecture.bias"].models) == [NARROW]
    assert known.changeable == [*CHANGEABLE, "loss.margin"]


def test_components_with_parameters_keep_the_contract():
    config = TrialConfig(
        architecture=WIDE, loss=MARGIN, penalty=DRIFT, **{"architecture.width": 16, "penalty.power": 1}
    )
    check_contract(config, SHAPE)


def test_the_contract_names_the_parameters_with_which_it_is_broken():
    check_contract(TrialConfig(architecture=f"{__name__}:Breaking"), SHAPE)
    config = TrialConfig(architecture=f"{__name__}:Breaking", **{"architecture.width": 128})
    with pytest.raises(
        ContractError, match=r"Breaking' with width 128, activation 'relu': building .* too wide"
    ):
        check_contract(config, SHAPE)


def test_an_architecture_may_declare_its_rows_by_a_parameter():
    name = f"{__name__}:DeclaresByParameter"
    for normalised in (False, True):
        config = TrialConfig(architecture=name, **{"architecture.normalised": normalised})
        check_contract(config, SHAPE)


def test_parameters_reach_the_networks_the_loss_and_the_penalty():
    config = TrialConfig(
        architecture=WIDE, loss=MARGIN, penalty=DRIFT, **{"architecture.width": 24, "loss.margin": 50.0}
    )
    trainer = Trainer(config, SHAPE)
    assert trainer.generator[0].out_features == 24
    metrics = trainer.step(torch.zeros(4, *SHAPE), torch.zeros(4, config.noise_dim))
    assert metrics["d_loss"].item() == pytest.approx(50, abs=2)
    assert Drift(power=1)(lambda images: images, torch.full((2, 1), 3.0), None, None).item() == 3
    assert Margin().margin == 1.0


def test_training_continues_with_another_changeable_parameter_and_no_other(tmp_path, digits, evaluator):
    file = tmp_path / "checkpoint"
    options = {"batch_size": 4, "eval_samples": 128, "final_samples": 128, "report_every": 1}
    base = TrialConfig(architecture=WIDE, loss=MARGIN, steps=1, **options)
    assert [*train(base, digits, evaluator, checkpoint=file)]
    state = load_checkpoint(file)
    longer = {"steps": 2, "architecture": WIDE, "loss": MARGIN, **options}
    changed = TrialConfig(**longer, **{"loss.margin": 2.0})
    with pytest.raises(CheckpointMismatchError, match="steps"):
        next(train(changed, digits, evaluator, initial_state=state))
    state["identity"]["steps"] = 2
    assert next(train(changed, digits, evaluator, initial_state=state)).step == 2
    wider = TrialConfig(**longer, **{"architecture.width": 32})
    with pytest.raises(
        CheckpointMismatchError, match=r"architecture\.width \(checkpoint: 64, this run: 32\)"
    ):
        next(train(wider, digits, evaluator, initial_state=state))


def test_a_saved_generator_is_built_again_with_its_parameters(tmp_path, monkeypatch):
    config = TrialConfig(architecture=WIDE, **{"architecture.width": 64})
    weights = config.component("architecture").generator(config, SHAPE).state_dict()
    save_generator(tmp_path / "g", config, SHAPE, weights)
    generator = load_generator(tmp_path / "g", allow_imports=True)
    assert generator.config == config
    assert generator.sample(2).shape == (2, *SHAPE)
    monkeypatch.setattr(small_components, "Wide", type("Wide", (Narrow,), {}))
    with pytest.raises(
        CorruptedCheckpointError, match=r"refuse its config: architecture\.width 64: .*equal to 32"
    ):
        load_generator(tmp_path / "g", allow_imports=True)


def test_methods_without_self_are_static():
    check_contract(TrialConfig(architecture=f"{__name__}:Borrowing"), SHAPE)

import sys
from pathlib import Path

import pytest

from gan_core import TrialConfig
from gan_core.architectures import architectures
from gan_core.datasets import datasets
from gan_core.errors import ImportPathError, UnknownNameError
from gan_core.losses import Loss, losses
from gan_core.penalties import penalties
from gan_core.registry import Registry

REGISTRIES = [architectures, datasets, losses, penalties]


class HalfALoss(Loss):
    @staticmethod
    def generator(real_logits, fake_logits):
        return -fake_logits.mean()


class WholeLoss(HalfALoss):
    @staticmethod
    def discriminator(real_logits, fake_logits):
        return fake_logits.mean() - real_logits.mean()


def no_penalty(discriminator, real, fake, rng):
    return None


NUMBER = 3


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module that can be imported until the test ends."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_file_registers_the_component_it_is_named_after(registry):
    assert registry.names()
    for name in registry.names():
        assert registry.get(name)


def test_an_unknown_name_lists_the_allowed_ones_and_the_closest():
    with pytest.raises(
        UnknownNameError,
        match=r"unknown loss 'lsgam'; allowed: bce, .*lsgan.*, MODULE:NAME; did you mean 'lsgan'\?",
    ):
        losses.get("lsgam")


def test_a_name_is_registered_once():
    registry = Registry("loss", "gan_core.losses")
    registry.register("mine")(object)
    with pytest.raises(ValueError, match="loss 'mine' is already registered"):
        registry.register("mine")(object)


def test_modules_with_an_underscore_are_no_components(tmp_path, monkeypatch):
    package = tmp_path / "parts"
    package.mkdir()
    for name in ("__init__", "_shared", "my_part"):
        (package / f"{name}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert Registry("part", "parts").names() == ["my-part"]


def test_an_import_path_is_a_component():
    assert losses.get(f"{__name__}:WholeLoss") is WholeLoss
    assert penalties.get(f"{__name__}:no_penalty") is no_penalty
    assert TrialConfig(loss=f"{__name__}:WholeLoss").loss == f"{__name__}:WholeLoss"


@pytest.mark.parametrize(
    ("registry", "path", "message"),
    [
        (
            losses,
            "nowhere.mine:Loss",
            r"there is no module 'nowhere': install it, or put it in a folder of Python's search path",
        ),
        (losses, "math.py:Loss", r"there is no module 'math\.py'; did you mean 'math:Loss'\?$"),
        (losses, "math.mine:Loss", r"there is no module 'math\.mine'"),
        (
            losses,
            f"{__name__}:WholeLos",
            r"test_registry \(.*test_registry\.py\) has no 'WholeLos'",
        ),
        (losses, f"{__name__}:WholeLos", r"did you mean 'WholeLoss'\?"),
        (losses, "my file:Loss", "'my file:Loss' is not an import path: type MODULE:NAME, such as "),
        (losses, f"{__name__}:", "is not an import path"),
        (losses, ".mine:Loss", "is not an import path"),
        (losses, f"{__name__}:HalfALoss", r"gan_core\.losses\.Loss; missing: discriminator"),
        (losses, "gan_core.losses:Loss", "missing: discriminator, generator"),
        (
            losses,
            f"{__name__}:no_penalty",
            r"of gan_core\.losses\.Loss, got an object of type function",
        ),
        (architectures, f"{__name__}:WholeLoss", r"a subclass of gan_core\.architectures\.Architecture"),
        (
            penalties,
            f"{__name__}:NUMBER",
            "is not a valid penalty: it must be callable, got an object of type int",
        ),
        (datasets, f"{__name__}:NUMBER", "is not a valid dataset: it must be callable"),
    ],
)
def test_an_import_path_that_names_no_component_says_why(registry, path, message):
    with pytest.raises(ImportPathError, match=message):
        registry.check(path)


def test_a_missing_module_says_where_it_was_looked_for():
    with pytest.raises(ImportPathError) as caught:
        losses.check("nowhere:Loss")
    assert str(Path(sys.path[-1]).absolute()) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "importing the module failing raised ZeroDivisionError: division by zero"),
        ("def f(:", r"SyntaxError: .*failing\.py, line 1"),
        ("import nowhere_else", "ModuleNotFoundError: No module named 'nowhere_else'"),
        ("import sys; sys.exit('first\\nsecond')", "SystemExit: first$"),
    ],
)
def test_a_module_that_fails_says_with_what(write_module, text, message):
    write_module("failing", text)
    with pytest.raises(ImportPathError, match=message):
        losses.check("failing:Loss")

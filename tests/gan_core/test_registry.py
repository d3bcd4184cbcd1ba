import pytest

from gan_core.architectures import architectures
from gan_core.datasets import datasets
from gan_core.errors import UnknownNameError
from gan_core.losses import losses
from gan_core.penalties import penalties
from gan_core.registry import Registry

REGISTRIES = [architectures, datasets, losses, penalties]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_file_registers_the_component_it_is_named_after(registry):
    assert registry.names()
    for name in registry.names():
        assert registry.get(name)


def test_an_unknown_name_lists_the_allowed_ones_and_the_closest():
    with pytest.raises(
        UnknownNameError, match=r"unknown loss 'lsgam'; allowed: .*lsgan.*did you mean 'lsgan'\?"
    ):
        losses.get("lsgam")


def test_a_name_is_registered_once():
    registry = Registry("loss", "gan_core.losses")
    registry.register("mine")(object)
    with pytest.raises(ValueError, match="loss 'mine' is registered twice"):
        registry.register("mine")(object)

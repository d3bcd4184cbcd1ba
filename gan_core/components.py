"""The registries of the components that a config or a sweep names.

The registries are in a module of their own, so that imports point one way: a config checks names against
them, and an architecture is built from a config.
"""

from typing import Any

from gan_core.registry import Registry

ARCHITECTURES: Registry[Any] = Registry("architecture", "gan_core.architectures", base="Architecture")
LOSSES: Registry[Any] = Registry("loss", "gan_core.losses", base="Loss")
PENALTIES: Registry[Any] = Registry("penalty", "gan_core.penalties", base="Penalty", functions=True)
EXTRACTORS: Registry[Any] = Registry("extractor", "gan_core.extractors", base="Extractor")

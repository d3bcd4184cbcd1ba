"""The short form: a few breakages of each kind; ``python -m tests.chaos`` has the long one."""

import os
from random import Random

import pytest

from tests.chaos import damage, kills
from tests.chaos.small import Workplace


@pytest.fixture
def rng():
    return Random(0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Workplace(tmp_path_factory.mktemp("chaos"))


@pytest.mark.parametrize(
    ("way", "n"), [("mutated_specs", 500), ("mutated_checkpoints", 100), ("mutated_ledgers", 20)]
)
def test_what_is_changed_at_random_is_noticed(tmp_path, rng, way, n):
    tally = getattr(damage, way)(tmp_path, rng, n)
    assert (tally.tried, tally.lost) == (n, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="to mount a small disk needs root")
def test_a_full_disk_ends_a_sweep_that_goes_on_once_there_is_room(place, rng):
    tally = kills.full_disks(place, rng, 1)
    assert (tally.tried, tally.lost) == (1, [])


def test_a_command_that_is_killed_goes_on_as_if_nothing_had_happened(place, rng):
    tally = kills.kills_of_the_driver(place, rng, 1)
    assert (tally.tried, tally.lost) == (1, [])

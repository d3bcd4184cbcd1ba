"""The short form: sweeps broken a few times in each way; ``python -m tests.chaos`` is the long form."""

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
    ("way", "n"), [("mutated_specs", 200), ("mutated_checkpoints", 50), ("damaged_records", 20)]
)
def test_files_that_are_damaged_at_random_lose_nothing_unnoticed(tmp_path, rng, way, n):
    tally = getattr(damage, way)(tmp_path, rng, n)
    assert (tally.tried, tally.lost) == (n, [])


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="to mount a small disk needs root")
def test_a_sweep_that_a_full_disk_ended_resumes_once_there_is_room(place, rng):
    tally = kills.full_disks(place, rng, 1)
    assert (tally.tried, tally.lost) == (1, [])


@pytest.mark.slow
def test_a_killed_sweep_resumes_and_ends_like_an_unbroken_one(place, rng):
    tally = kills.kills_of_the_driver(place, rng, 1)
    assert (tally.tried, tally.lost) == (1, [])

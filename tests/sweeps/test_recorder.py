import pytest
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError

from sweeps.recorder import _death


def raised(error):
    return RayTaskError("train", "Traceback", error)


@pytest.mark.parametrize(
    ("error", "told", "expected"),
    [
        (ActorDiedError(), "", "WorkerDied"),
        (None, "The worker died unexpectedly while executing this task.", "WorkerDied"),
        (None, "Traceback (most recent call last):\nKeyError: 'score'", None),
        (OutOfMemoryError("the node ran low"), "", "OutOfMemory"),
        (raised(MemoryError()), "", "OutOfMemory"),
        (raised(ValueError("no")), "", None),
        (ActorDiedError(raised(ValueError("no"))), "", None),
    ],
)
def test_a_death_is_told_from_what_a_trials_code_raised(error, told, expected):
    death = _death(error, told)
    assert (death and death.partition(":")[0]) == expected

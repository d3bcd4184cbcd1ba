"""Find out which errors of MLflow are final."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sweeps.errors import SweepError
from sweeps.tracking.store import Store

_TRY_AGAIN = (401, 403, 408, 429)
"""HTTP statuses that concern who asks, or the moment, and not the request."""

_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST)
"""The artifact folder does not exist on this machine, or is not writable."""


@contextmanager
def store_errors(store: Store, request: str = "take the sweep's records") -> Iterator[None]:
    """Raise MLflow's errors as a SweepError of one line; file uploads raise OSError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError, ImportError) as error:
        reason = store.in_one_line(error)
        raise SweepError(f"MLflow at {store.public} does not {request}: {reason}") from None


def is_refusal(error: Exception) -> bool:
    """Return whether MLflow would answer the same request in the same way again."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return _is_final(int(error.get_http_status_code()))  # type: ignore[no-untyped-call] # MLflow's
    if isinstance(error, OSError):
        response = getattr(error, "response", None)
        return error.errno in _NO_PLACE if response is None else _is_final(int(response.status_code))
    return True


def _is_final(http_status: int) -> bool:
    return 400 <= http_status < 500 and http_status not in _TRY_AGAIN

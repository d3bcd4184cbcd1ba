"""Which errors of MLflow are final."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sweeps.errors import SweepError
from sweeps.tracking.store import Store

_TO_BE_TRIED_AGAIN = (401, 403, 408, 429)
"""HTTP's refusals of whoever asks, or for now, and not of what is asked."""

_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)
"""Where a store's files are to lie in a place that this machine lacks, or may not write to."""

FILES = "files"
"""What a store refuses that takes runs and no files."""


@contextmanager
def store_errors(store: Store, asked: str = "take the sweep's records") -> Iterator[None]:
    """Tell a store's errors as people can read them; those of sending files are the network's own."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError, ImportError) as error:
        reason = store.told(error)
        raise SweepError(f"MLflow at {store.public} does not {asked}: {reason}") from None


def is_refusal(error: Exception) -> bool:
    """Return whether the same will be answered again: that of a server, or of where files are to lie."""
    if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno in _NO_PLACE):
        return True
    status = _http_status(error)
    return status is not None and 400 <= status < 500 and status not in _TO_BE_TRIED_AGAIN


def _http_status(error: Exception) -> int | None:
    """Return HTTP's status of MLflow's errors, and of those of sending files, which are requests' own."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call] # MLflow's
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)

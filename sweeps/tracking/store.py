"""Choose and open the store in which MLflow keeps runs."""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from sweeps.errors import SweepError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class Store:
    """A store of MLflow runs.

    Args:
        uri: MLflow's tracking URI, which may hold credentials.
        artifacts: The folder for the artifacts of new experiments; None if a server chooses it.
        is_default: Whether it is the store in the results folder.
    """

    uri: str
    artifacts: Path | None
    is_default: bool = False

    @classmethod
    def beside(cls, results: Path) -> "Store":
        """Return the store in the results folder."""
        folder = results.resolve()
        return cls(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlartifacts", is_default=True)

    @classmethod
    def chosen(cls, results: Path, uri: str | None = None, kept: str | None = None) -> "Store":
        """Return the store at ``uri``, or ``MLFLOW_TRACKING_URI``, or the store used before, or in results.

        Args:
            results: The folder of the sweeps.
            uri: The URI that the user typed, or None.
            kept: The public URI of the store that the sweep was uploaded to before, or None.

        Raises:
            SweepError: MLflow keeps no runs there.
        """
        asked = uri or os.environ.get("MLFLOW_TRACKING_URI") or kept
        default = cls.beside(results)
        if not asked or asked == default.uri:
            return default
        scheme = _scheme(asked)
        if scheme not in _SCHEMES:
            raise SweepError(
                f"tracking URI {without_credentials(asked)!r}: MLflow keeps runs at http://HOST:PORT, https://,"
                " or in a database: sqlite:///FILE, postgresql://, mysql:// or mssql://; set --tracking-uri"
                " or MLFLOW_TRACKING_URI"
            )
        is_served = scheme in {"http", "https"}
        return cls(asked, None if is_served else results.resolve() / "mlartifacts")

    @property
    def public(self) -> str:
        """The URI without credentials."""
        return without_credentials(self.uri)

    @property
    def kept(self) -> str | None:
        """The URI that the record keeps; None for the default store, which moves with its folder."""
        return None if self.is_default else self.public

    def without_secrets(self, text: str) -> str:
        """Return a message without the credentials that the URI holds."""
        text = text.replace(self.uri, self.public)
        _, credentials, rest = _parts(self.uri)
        secrets = credentials, credentials.partition(":")[2], rest.partition("?")[2]
        for secret in filter(None, secrets):
            for spelling in (secret, unquote(secret)):
                text = text.replace(spelling, "***")
        return text

    def in_one_line(self, error: Exception) -> str:
        """Return the first line of an error without credentials; a long line loses its middle."""
        text = str(error).strip() or type(error).__name__
        line = text.splitlines()[0]
        return self.without_secrets(line if len(line) <= 300 else f"{line[:150]} ... {line[-150:]}")


def without_credentials(uri: str) -> str:
    """Return a URI without user, password and query, even if it is malformed.

    >>> without_credentials("https://me:secret@example.org/mlflow?token=x")
    'https://example.org/mlflow'
    """
    scheme, _, rest = _parts(uri)
    return scheme + re.split(r"[?#]", rest)[0]


def _parts(uri: str) -> tuple[str, str, str]:
    """Return a URI's scheme with its slashes, its credentials and the rest.

    Credentials reach to the last @: a password may hold any character. A file has no credentials.
    """
    scheme, slashes, rest = uri.rpartition("://") if uri.count("://") == 1 else ("", "", uri)
    if scheme.startswith("sqlite"):
        return scheme + slashes, "", rest
    credentials, _, rest = rest.rpartition("@")
    return scheme + slashes, credentials, rest


def _scheme(uri: str) -> str | None:
    """Return a URI's scheme without its driver; None if it is not a URI."""
    try:
        return urlsplit(uri).scheme.partition("+")[0]
    except ValueError:
        return None


def open_store(store: Store, results: Path) -> "MlflowClient":
    """Open the store and create its tables if necessary, while other sweeps that start wait."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for library in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(library).setLevel(logging.ERROR)
    with FileLock(results / "mlflow.lock"):
        client = MlflowClient(store.uri)
        client.search_experiments(max_results=1)
    return client

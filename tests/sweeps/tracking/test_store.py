import pytest

from sweeps.errors import SweepError
from sweeps.tracking.dashboard import serve_dashboard
from sweeps.tracking.store import Store, without_credentials


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("http://me:secret@host:80/path?token=x", "http://host:80/path"),
        ("postgresql://me:se/cret@h/db", "postgresql://h/db"),
        ("http://me:a#b?c@host", "http://host"),
        ("http:/me:secret@host", "host"),
        ("me:secret@host", "host"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
    ],
)
def test_a_public_uri_has_no_credentials(uri, public):
    assert without_credentials(uri) == public


@pytest.mark.parametrize("uri", ["http://[bad", "http://me:secret@ex℀mple.org"])
def test_a_malformed_uri_is_refused_without_its_secrets(tmp_path, uri):
    with pytest.raises(SweepError, match="tracking URI") as refusal:
        Store.chosen(tmp_path, uri)
    assert "secret" not in str(refusal.value)


def test_the_typed_uri_comes_before_the_environments_and_the_kept_one(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert Store.chosen(tmp_path) == Store.beside(tmp_path)
    assert Store.chosen(tmp_path, kept="http://kept").uri == "http://kept"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    assert Store.chosen(tmp_path, kept="http://kept").uri == "http://environment"
    assert Store.chosen(tmp_path, "http://asked", "http://kept").uri == "http://asked"


def test_the_uri_of_the_default_store_is_the_default_store(tmp_path):
    assert Store.chosen(tmp_path, Store.beside(tmp_path).uri) == Store.beside(tmp_path)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///mlruns", "ftp://me:secret@host", "databricks"])
def test_a_uri_in_which_mlflow_keeps_no_runs_is_refused(tmp_path, uri):
    with pytest.raises(SweepError, match="--tracking-uri or MLFLOW_TRACKING_URI") as refusal:
        Store.chosen(tmp_path, uri)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("uri", ["sqlite:////folder/mlflow.db", "sqlite:///mlflow.db", "http://host:8080"])
def test_a_uri_without_credentials_is_kept_unchanged(tmp_path, uri):
    assert Store.chosen(tmp_path, uri).kept == uri


def test_credentials_are_neither_shown_nor_kept(tmp_path):
    store = Store.chosen(tmp_path, "https://me:s%40cret@host:8080/path?token=abc")
    assert store.public == store.kept == "https://host:8080/path"
    message = f"request to {store.uri} failed for me:s@cret with token=abc (s%40cret)"
    cleaned = store.without_secrets(message)
    assert not any(secret in cleaned for secret in ("s@cret", "s%40cret", "abc"))
    assert "https://host:8080/path" in cleaned


def test_there_is_no_dashboard_before_there_is_a_sweep(tmp_path):
    with pytest.raises(SweepError, match="has no MLflow database yet"):
        serve_dashboard(tmp_path)

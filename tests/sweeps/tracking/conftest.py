import pytest

from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.tracking.store import Store
from tests.servers import make_tables
from tests.sweeps.tracking.records import FACTS, SPEC


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), SPEC)
    ledger.describe(FACTS)
    return ledger


@pytest.fixture
def store(tmp_path):
    """The store in the results, with its tables."""
    make_tables(tmp_path / "mlflow.db")
    return Store.beside(tmp_path)


@pytest.fixture
def another_store(tmp_path):
    return Store(f"sqlite:///{make_tables(tmp_path / 'another.db')}", tmp_path / "another")

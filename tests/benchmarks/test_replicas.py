from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.replicas import keys, missing, plan, record, save, table
from benchmarks.worlds import REPLICATED
from gan_core import TrialConfig

SHORT = {"steps": 4, "report_every": 2, "batch_size": 8, "eval_samples": 128, "final_samples": 128}


@pytest.fixture(scope="module")
def rows():
    first = plan(["mlp-bce"], 1, 1)[0]
    return record(replace(first, config=TrialConfig.model_validate(first.config.model_dump() | SHORT)))


def test_every_configuration_gets_its_first_seed_before_any_gets_its_second():
    replicas = plan(list(REPLICATED), 10, 2)
    assert [replica.seed for replica in replicas] == [0] * 40 + [1] * 40
    assert len({replica.config.model_dump_json() for replica in replicas}) == 80


def test_a_replica_has_a_row_per_report_and_its_final_scores(rows):
    assert [row["step"] for row in rows] == [2, 4]
    assert rows[0]["final_fid"] > 0
    assert rows[0]["arithmetic"] in ("bf16", "fp32")
    assert 0 <= rows[0]["precision"] <= 1


def test_a_recording_resumes_from_its_table(rows, tmp_path):
    file, replicas = tmp_path / "replicas.parquet", plan(["mlp-bce"], 1, 3)
    assert list(missing(file, replicas)) == replicas
    save(table(rows), file)
    assert keys(pd.read_parquet(file)) == {("mlp-bce", 0, 0)}
    assert [replica.seed for replica in missing(file, replicas)] == [1, 2]

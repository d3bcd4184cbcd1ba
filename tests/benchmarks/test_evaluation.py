from benchmarks.evaluation import BESIDE, REST, STEPS, cpu_seconds, table_of
from gan_core import Evaluator, TrialConfig, load_dataset


def test_every_part_of_a_training_takes_time():
    data = load_dataset("mnist-5k")
    config = TrialConfig(steps=4, report_every=2, eval_samples=128, final_samples=128)
    seconds = cpu_seconds(config, data, Evaluator(data))
    assert seconds.keys() == {STEPS, REST, *BESIDE}
    assert min(seconds.values()) > 0
    assert table_of(seconds, "").row_count == len(seconds) + 2

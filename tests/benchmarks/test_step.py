from benchmarks.step import GOALS, TUTORIAL, interleaved


def test_each_loop_is_timed_in_its_own_process():
    times = interleaved("mlp", rounds=2, n_steps=1)
    assert [*times] == [TUTORIAL, *GOALS["mlp"]]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in times.values())

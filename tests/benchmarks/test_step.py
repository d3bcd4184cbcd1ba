from benchmarks.step import GOALS, TUTORIAL, interleaved


def test_the_tutorials_loop_and_ours_are_timed_in_processes_of_their_own():
    times = interleaved("mlp", rounds=2, n_steps=1)
    assert [*times] == [TUTORIAL, *GOALS["mlp"]]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in times.values())

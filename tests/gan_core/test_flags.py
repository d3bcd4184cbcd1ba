import pytest

from gan_core.flags import FlagWatch, collapsed


def test_a_sign_must_be_seen_three_times_running():
    watch = FlagWatch()
    for step, seen in enumerate([True, True, False, True, True, True, False, True], start=1):
        watch.update(step * 10, {"collapse": seen})
        assert watch.raised == ({"collapse": 40} if step >= 6 else {})


def test_a_restored_watch_continues_its_count():
    watch, resumed = FlagWatch(), FlagWatch()
    watch.update(10, {"collapse": True})
    watch.update(20, {"collapse": True})
    resumed.load_state_dict(watch.state_dict())
    resumed.update(30, {"collapse": True})
    assert resumed.raised == {"collapse": 10}
    assert watch.raised == {}


@pytest.mark.parametrize(("of_samples", "of_real", "seen"), [(2, 10, True), (3, 10, False), (1, 2, False)])
def test_a_collapse_is_few_modes_where_real_images_have_more(of_samples, of_real, seen):
    assert collapsed(of_samples, of_real) is seen

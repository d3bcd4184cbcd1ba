import pytest

from sweeps.errors import SweepError
from sweeps.record.comparability import check_comparable, check_split, differences

IMAGES = {"sha256": "157b51f96f53", "train": 64, "held_out": 16}
THEN = {"images": IMAGES, "extractor": "sha256:689815b19c84", "floors": {"fid": 0.3}}


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        (THEN, THEN | {"floors": {"fid": 0.4}}, []),
        (THEN, {"images": IMAGES}, []),
        ({}, THEN, []),
        (
            THEN,
            {"images": IMAGES | {"sha256": "e95b5d9e0000", "train": 1000}},
            [
                "the images were 64 to train on and 16 held out (sha256:157b51f9), they are 1,000 to train on"
                " and 16 held out (sha256:e95b5d9e)"
            ],
        ),
        (
            THEN,
            {"extractor": "sha256:eff48b43ffff"},
            ["the extractor was sha256:689815b1, it is sha256:eff48b43"],
        ),
    ],
)
def test_scores_of_other_images_or_another_extractor_are_not_comparable(then, now, found):
    assert differences(then, now) == found


def test_without_images_in_the_record_the_scores_of_real_images_tell_them_apart():
    of_before = {"extractor": "sha256:689815b19c84", "floors": {"fid": 0.3}}
    assert differences(of_before, THEN | {"floors": {"fid": 0.3001}}) == []
    (found,) = differences(of_before, THEN | {"floors": {"fid": 9.4}})
    assert found == "the images differ: real images scored fid 0.3, they score 9.4"


OF_A_FOLDER = {"spec": {"dataset": "folder:/photos"}, "extractor": "sha256:689815b19c84"}
BY_CONTENT = {"images": IMAGES | {"split": "content-1"}}


@pytest.mark.parametrize("then", [OF_A_FOLDER, OF_A_FOLDER | {"images": IMAGES | {"split": "content-0"}}])
def test_a_folder_that_was_split_by_an_earlier_rule_is_refused_in_a_sentence(then):
    with pytest.raises(
        SweepError, match=r"^resume lsgan: an earlier version chose the held-out images .* rule"
    ):
        check_comparable("resume lsgan", then, BY_CONTENT)


def test_an_earlier_rule_is_refused_before_the_images_are_loaded():
    with pytest.raises(SweepError, match=r"^resume lsgan: an earlier version .*; run a new sweep$"):
        check_split("resume lsgan", OF_A_FOLDER)
    check_split("resume lsgan", OF_A_FOLDER | BY_CONTENT)


@pytest.mark.parametrize(
    "then", [{"spec": OF_A_FOLDER["spec"]}, OF_A_FOLDER | {"spec": {"dataset": "cifar10"}}, BY_CONTENT]
)
def test_without_scores_and_without_a_folder_no_split_is_refused(then):
    check_comparable("resume lsgan", then, BY_CONTENT)


@pytest.mark.parametrize(
    ("now", "remedy"),
    [
        ({"images": IMAGES | {"sha256": "0"}, "extractor": "sha256:1"}, "restore the images, or run a new"),
        ({"extractor": "sha256:1"}, "classifiers of two machines differ, .* residual one for colour images"),
    ],
)
def test_the_message_names_the_command_and_says_what_to_do(now, remedy):
    with pytest.raises(SweepError, match=rf"^resume lsgan: .* not be comparable .*; {remedy}"):
        check_comparable("resume lsgan", THEN, now)

import subprocess
import sys

import pytest

from benchmarks.__main__ import QUICK, SIZES
from benchmarks.figures import Figure, page


@pytest.mark.parametrize(
    ("measured", "is_at_most", "is_reached"),
    [(1.9, True, True), (2.0, True, True), (2.1, True, False), (2.1, False, True), (1.9, False, False)],
)
def test_a_figure_meets_its_target_or_misses_it(measured, is_at_most, is_reached):
    figure = Figure("share", measured, asked=2.0, is_at_most=is_at_most)
    assert figure.is_reached is is_reached
    assert figure.cells[-1] == ("yes" if is_reached else "no")


def test_the_figure_of_several_measurements_is_their_median_with_the_spread():
    figure = Figure.of("time, s", [3.0, 1.0, 2.0])
    assert figure.cells == ("time, s", "2", "1 to 3", "", "", "")
    assert figure.is_reached


def test_the_page_shows_the_machine_and_a_row_per_figure_with_the_peers():
    figures = {"rank": [Figure("time, s", 2.0, asked=1.5, peers={"theirs": 9.0})]}
    text = page(figures, "python -m benchmarks rank", {"torch": "2.14.1"})
    assert "`python -m benchmarks rank` wrote this." in text
    assert "- torch: 2.14.1" in text
    assert "| time, s | 2 |  | theirs 9 | at most 1.5 | no |" in text


def test_each_benchmark_has_a_quick_size():
    assert QUICK.keys() == SIZES.keys()


def test_a_benchmark_writes_its_page_and_exits_with_1_if_a_figure_misses_its_target(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--output", str(tmp_path / "page.md")]
    done = subprocess.run([*command, "rank"], capture_output=True, text=True)
    lines = (tmp_path / "page.md").read_text().splitlines()
    assert any(line.startswith("- torch: ") for line in lines)
    row = next(line for line in lines if line.startswith("| rank of 10,000"))
    assert (done.returncode, row.endswith("| yes |")) in {(0, True), (1, False)}
    unknown = subprocess.run([*command, "speed"], capture_output=True, text=True)
    assert unknown.returncode == 2
    assert "no benchmark speed; there are startup, " in unknown.stderr

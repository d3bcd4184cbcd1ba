"""The contact sheet: which trials and steps it shows, and the PNG of it."""

from base64 import b64decode, b64encode
from io import BytesIO

from PIL import Image

import sweeps
from sweeps.report.contact_sheet import (
    LABEL_HEIGHT,
    LABEL_WIDTH,
    MARGIN,
    Cell,
    ContactSheet,
    Row,
    contact_sheet,
    sheet_png,
)
from tests.sweeps.ledgers import write_sweep


def webp(shade, side=40):
    file = BytesIO()
    Image.new("L", (side, side), shade).save(file, format="WEBP", lossless=True)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"


def test_a_sheet_has_a_row_per_trial_and_a_column_per_step():
    best, first = Cell(20, webp(200)), Cell(10, webp(50))
    sheet = ContactSheet([10, 20], [Row("a-0000", [first, best], best), Row("a-0001", [first, None], first)])
    page = Image.open(BytesIO(sheet_png(sheet)))
    side = 40 + MARGIN
    assert page.size == (LABEL_WIDTH + 3 * side, LABEL_HEIGHT + 2 * side)
    shades = [
        [page.getpixel((LABEL_WIDTH + x * side + 20, LABEL_HEIGHT + y * side + 20))[0] for x in range(3)]
        for y in range(2)
    ]
    assert shades == [[50, 200, 200], [50, 255, 50]]


def test_a_sheet_without_sample_files_has_no_images():
    assert not ContactSheet([10], [Row("a-0000", [None], Cell(10, None))]).has_images
    assert ContactSheet([10], [Row("a-0000", [None], Cell(10, webp(1)))]).has_images


def test_the_sheet_begins_with_the_best_trial_and_ends_with_the_defaults(tmp_path):
    write_sweep(tmp_path)
    sheet = contact_sheet(sweeps.load("tiny", tmp_path))
    assert [row.trial_id for row in sheet.rows] == [f"tiny-000{number}" for number in (8, 6, 4, 9, 7, 0)]
    assert sheet.steps == [100, 200, 300, 400]
    assert [cell and cell.step for cell in sheet.rows[0].cells] == [100, 200, 300, 400]
    assert [cell and cell.step for cell in sheet.rows[3].cells] == [100, 200, None, None]
    assert [row.best.step for row in sheet.rows] == [400, 400, 400, 200, 200, 400]
    with Image.open(BytesIO(b64decode(sheet.rows[0].best.image.partition(",")[2]))) as picture:
        assert picture.size == (112, 112)


def test_a_missing_or_damaged_grid_is_left_out(tmp_path):
    folder = write_sweep(tmp_path)
    (folder / "samples" / "tiny-0008" / "200.png").unlink()
    (folder / "samples" / "tiny-0008" / "400.png").write_bytes(b"half a pict")
    row = contact_sheet(sweeps.load("tiny", tmp_path)).rows[0]
    assert [cell.image is None for cell in row.cells] == [False, True, False, True]
    assert row.best.image is None

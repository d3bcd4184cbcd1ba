from base64 import b64encode
from io import BytesIO

from PIL import Image

from sweeps.report.contact_sheet import Cell, ContactSheet, Row
from sweeps.report.pictures import LABEL_HEIGHT, LABEL_WIDTH, MARGIN, curves_png, sheet_png


def opened(png):
    return Image.open(BytesIO(png))


def picture(shade, side=40):
    file = BytesIO()
    Image.new("L", (side, side), shade).save(file, format="WEBP", lossless=True)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"


def test_a_sheet_has_a_row_a_trial_and_a_column_a_step():
    best, first = Cell(20, picture(200)), Cell(10, picture(50))
    sheet = ContactSheet([10, 20], [Row("a-0000", [first, best], best), Row("a-0001", [first, None], first)])
    page = opened(sheet_png(sheet))
    side = 40 + MARGIN
    assert page.size == (LABEL_WIDTH + 3 * side, LABEL_HEIGHT + 2 * side)
    shades = [
        [page.getpixel((LABEL_WIDTH + x * side + 20, LABEL_HEIGHT + y * side + 20))[0] for x in range(3)]
        for y in range(2)
    ]
    assert shades == [[50, 200, 200], [50, 255, 50]]


def test_a_sheet_without_its_files_has_no_pictures():
    assert not ContactSheet([10], [Row("a-0000", [None], Cell(10, None))]).has_pictures
    assert ContactSheet([10], [Row("a-0000", [None], Cell(10, picture(1)))]).has_pictures


def test_curves_show_score_and_losses_apart():
    reports = [{"step": step, "fid": 100 / step, "d_loss": 0.5, "g_loss": 1.0} for step in (10, 20, 30)]
    flat = [{**report, "fid": 1.0} for report in reports]
    drawn, other = opened(curves_png(reports, "fid", "a-0000")), opened(curves_png(flat, "fid", "a-0000"))
    assert drawn.size == (640, 256)
    half = (320, 0, 640, 256)
    assert drawn.crop(half).tobytes() == other.crop(half).tobytes()
    assert drawn.tobytes() != other.tobytes()

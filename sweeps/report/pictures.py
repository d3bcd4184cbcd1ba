"""Pictures for where a page cannot be shown: a trial's curves, and a sheet of samples."""

from base64 import b64decode
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sweeps.report.contact_sheet import Cell, ContactSheet

if TYPE_CHECKING:
    from PIL.Image import Image

CURVES_INCHES, CURVES_DPI = (8.0, 3.2), 80
MARGIN, LABEL_WIDTH, LABEL_HEIGHT = 8, 150, 24
FONT_SIZE = 14


def curves_png(reports: Sequence[dict[str, Any]], metric: str, title: str) -> bytes:
    """Draw a trial's score and its losses against the steps taken.

    Args:
        reports: With their ``step`` and metrics, in the order of steps; one at least.
        metric: What says which trial is better.
        title: What stands above.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=CURVES_INCHES, dpi=CURVES_DPI)
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    steps = [report["step"] for report in reports]
    left.plot(steps, [report[metric] for report in reports], marker=".")
    left.set(xlabel="steps", ylabel=metric)
    for name, label in (("d_loss", "discriminator"), ("g_loss", "generator")):
        right.plot(steps, [report.get(name) for report in reports], marker=".", label=label)
    right.set(xlabel="steps", ylabel="loss")
    right.legend()
    figure.subplots_adjust(left=0.09, right=0.98, top=0.88, bottom=0.16, wspace=0.22)
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def sheet_png(sheet: ContactSheet) -> bytes:
    """Draw a contact sheet: a row a trial, a column a step, and its best report last.

    Args:
        sheet: With one picture at least.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows = [[_decoded(cell) for cell in (*row.cells, row.best)] for row in sheet.rows]
    side = MARGIN + max(picture.width for row in rows for picture in row if picture is not None)
    columns = [LABEL_WIDTH + column * side for column in range(len(sheet.steps) + 1)]
    tops = [LABEL_HEIGHT + row * side for row in range(len(rows))]
    page = Image.new("RGB", (columns[-1] + side, tops[-1] + side), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(FONT_SIZE)
    headings = [f"step {step}" for step in sheet.steps] + ["best report"]
    for left, heading in zip(columns, headings, strict=True):
        draw.text((left, MARGIN // 2), heading, fill="black", font=font)
    for top, shown, pictures in zip(tops, sheet.rows, rows, strict=True):
        draw.text((MARGIN, top), shown.trial_id, fill="black", font=font)
        for left, picture in zip(columns, pictures, strict=True):
            if picture is not None:
                page.paste(picture, (left, top))
    file = BytesIO()
    page.save(file, format="PNG")
    return file.getvalue()


def _decoded(cell: Cell | None) -> "Image | None":
    from PIL import Image

    if cell is None or cell.image is None:
        return None
    return Image.open(BytesIO(b64decode(cell.image.partition(",")[2])))

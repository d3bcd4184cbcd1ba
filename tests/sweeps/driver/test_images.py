import json
from io import StringIO

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from gan_core.errors import DatasetError, ExtractorUnavailableError
from sweeps.cli.app import app
from sweeps.driver.preview import as_json, print_preview
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos"


@pytest.fixture
def spec_of(tmp_path, photos):
    """Return a function that makes a spec of the photos, with more keys."""

    def made(more=""):
        photos.mkdir(exist_ok=True)
        return load_spec(
            write(tmp_path, GOOD.replace("mnist-5k", f"folder:{photos}\nimage_size: 8\nchannels: 1\n{more}"))
        )

    return made


def paint_many(folder, numbers):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.new("L", (8, 8), number).save(folder / f"{number:03d}.png")


def preview(spec):
    console = Console(file=StringIO(), width=240)
    print_preview(spec, console, timed=False)
    return console.file.getvalue()


def test_the_preview_shows_the_images_of_a_folder_and_their_size_in_the_cache(spec_of, photos):
    paint_many(photos / "cats", range(40))
    paint_many(photos / "dogs", range(50, 90))
    (photos / "notes.txt").touch()
    shown = preview(spec_of())
    assert "images    64 to train on, 16 held out, 2 classes\n" in shown
    assert "          left out: 1 file without an image's suffix (1 .txt): notes.txt\n" in shown
    assert "in results, and 0 MB in the cache, and up to" in shown
    images = as_json(spec_of())["images"]
    assert (images["train"], images["held_out"], images["classes"]) == (64, 16, 2)
    assert images["cache_bytes"] == 80 * 64


def test_the_preview_of_other_datasets_looks_at_no_images(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    assert "images " not in preview(spec)
    assert as_json(spec)["images"] is None


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        (range(0), DatasetError, "photos has 0 images, but a dataset needs at least 30: add some"),
        (range(24), DatasetError, "photos has 24 images, but a dataset needs at least 30"),
        (range(40), ExtractorUnavailableError, "has no classes to train a classifier on"),
    ],
)
@pytest.mark.parametrize("shows", [preview, as_json])
def test_the_preview_has_the_faults_of_a_run(spec_of, photos, numbers, error, message, shows):
    paint_many(photos, numbers)
    with pytest.raises(error, match=message):
        shows(spec_of())


def test_the_preview_lists_unreadable_images_unless_they_are_skipped(spec_of, photos):
    paint_many(photos, range(40))
    (photos / "003.png").write_bytes(b"no image")
    with pytest.raises(
        DatasetError, match=r"1 of 40 images cannot be read: 003\.png \(not an image in a known"
    ):
        preview(spec_of("extractor: inception"))
    shown = preview(spec_of("extractor: inception\nskip_unreadable: true"))
    assert "left out: 1 image that cannot be read, 003.png (not an image in a known format)" in shown


def test_the_cache_is_shown_and_emptied_but_for_downloads(spec_of, photos, cache):
    paint_many(photos, range(40))
    preview(spec_of("extractor: inception"))
    (cache / "classifiers").mkdir()
    (cache / "classifiers" / "a.safetensors").write_bytes(bytes(2_000_000))
    (cache / "MNIST").mkdir()
    (cache / "MNIST" / "images").write_bytes(bytes(3_000_000))
    shown = CliRunner().invoke(app, ["cache"]).output
    assert shown.splitlines()[0] == f"{cache}: 5 MB"
    assert f"  images of {photos}: 40 of 8 px, 1 channel, 0 MB" in shown
    assert "  classifiers: 2 MB\n" in shown
    assert "  MNIST: 3 MB; --clear leaves it\n" in shown
    contents = json.loads(CliRunner().invoke(app, ["cache", "--json"]).output)
    assert contents["bytes"]["MNIST"] == 3_000_000
    assert [each["images"] for each in contents["decoded"]] == [40]
    assert CliRunner().invoke(app, ["cache", "--clear"]).output == f"{cache}: 2 MB deleted\n"
    assert CliRunner().invoke(app, ["cache"]).output == f"{cache}: 3 MB\n  MNIST: 3 MB; --clear leaves it\n"

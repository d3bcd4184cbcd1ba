"""Decode one image file to the pixels that a network trains on."""

from collections.abc import Callable, Collection, Iterator
from io import BytesIO
from pathlib import Path
from struct import unpack
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

MODES = {1: "L", 3: "RGB"}
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM", "TGA")
"""Pillow's decoders of images; its decoders of documents, one of which starts a program, are left out."""

ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the value of EXIF's orientation, the transposition that turns an image upright."""

DRAFT_GAP = 2
"""A JPEG is decoded at the smallest scale that leaves this many pixels for each one of the result."""

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_APP0, _APP1, _APP14, _START_OF_SCAN = 0xE0, 0xE1, 0xEE, 0xDA
_MARKERS_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))


def read_image(file: Path, size: int, channels: int) -> Pixels:
    """Return the pixels of an image file: uint8, shape ``(channels, size, size)``.

    The image is rotated by its EXIF orientation, scaled with a Lanczos filter until the shorter side is
    ``size``, and cropped to the centre; transparent areas become white, 16-bit values are scaled to 8 bits.
    If metadata keep Pillow from opening the image, it is read without them.

    Raises:
        Exception: The file cannot be read as an image. Pillow's decoders raise exceptions of many classes.
    """
    try:
        with file.open("rb") as stream:
            return _decoded(stream, size, channels)
    except Exception:
        for plain in _without_metadata(file.read_bytes()):
            try:
                return _decoded(BytesIO(plain), size, channels)
            except Exception:  # noqa: BLE001, S112 - the first exception names the fault
                continue
        raise


def _decoded(stream: IO[bytes], size: int, channels: int) -> Pixels:
    with Image.open(stream, formats=FORMATS) as image:
        raw_mode = _raw_mode(image)
        image.draft(None, (DRAFT_GAP * size, DRAFT_GAP * size))
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        opaque = _opaque(image, raw_mode).convert(MODES[channels])
        upright = opaque if turn is None else opaque.transpose(turn)
        fitted = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(fitted).reshape(size, size, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation; 1, upright, if the metadata cannot be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - Pillow's parsers of metadata raise exceptions of many classes
        return 1


def _raw_mode(image: Image.Image) -> str:
    """Return how the file stores its pixels, such as ``RGB;16B``; empty if Pillow does not say."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ()
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments or "")


def _opaque(image: Image.Image, raw_mode: str) -> Image.Image:
    """Return an image of 8 bits a channel, with white in place of transparent areas."""
    if image.mode.startswith("I"):
        return _with_8_bits(image)
    if image.mode == "F":
        raise UnidentifiedImageError("pixels are floating-point numbers: save it with 8 or 16 bits a channel")
    if not image.has_transparency_data:
        return image
    if (scale := _SCALES.get(raw_mode)) and "transparency" in image.info:
        value = image.info["transparency"]
        image.info["transparency"] = tuple(map(scale, value)) if isinstance(value, tuple) else scale(value)
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))


_SCALES: dict[str, Callable[[int], int]] = {
    "L;2": lambda value: value * 85,
    "L;4": lambda value: value * 17,
    "RGB;16B": lambda value: value >> 8,
}
"""By the stored form of pixels, how Pillow scales them to 8 bits; it leaves a transparent value as it is."""


def _with_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion would clip all values above 255."""
    values = np.asarray(image)
    grey = (values.clip(0, 0xFFFF) >> 8).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _without_metadata(content: bytes) -> Iterator[bytes]:
    """Yield a PNG or JPEG with fewer and fewer metadata: first the orientation stays, in the end nothing."""
    if content.startswith(_PNG):
        yield _png_of(content, (*_PNG_PIXELS, b"eXIf"))
        yield _png_of(content, _PNG_PIXELS)
    elif content.startswith(_JPEG):
        for kept in ((_APP0, _APP1, _APP14), (_APP0, _APP14), ()):
            yield _jpeg_of(content, kept)


def _png_of(content: bytes, kinds: Collection[bytes]) -> bytes:
    """Return a PNG with only the chunks of some kinds; a chunk that is cut short ends it."""
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        [length] = unpack(">I", content[at : at + 4])
        if content[at + 4 : at + 8] in kinds:
            kept.append(content[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def _jpeg_of(content: bytes, kept_markers: Collection[int]) -> bytes:
    """Return a JPEG with only some of its application segments, and without comments."""
    kept, at = [_JPEG], len(_JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == _START_OF_SCAN:
            break
        if marker == 0xFF:
            at += 1
            continue
        length = 0 if marker in _MARKERS_WITHOUT_LENGTH else unpack(">H", content[at + 2 : at + 4])[0]
        is_metadata = _APP0 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or marker in kept_markers:
            kept.append(content[at : at + 2 + length])
        at += 2 + length
    return b"".join([*kept, content[at:]])

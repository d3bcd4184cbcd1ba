"""Find the image files below a directory."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".dib"),
    *(".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
)
MOST_NAMED = 10


class ImageFile(NamedTuple):
    """An image file.

    Args:
        path: The path, relative to the directory.
        size: The size in bytes.
        modified_ns: The time of the last change, in nanoseconds.
    """

    path: str
    size: int
    modified_ns: int

    @property
    def parts(self) -> list[str]:
        """The names of the directories that lead to the file, and the name of the file."""
        return self.path.split(os.sep)  # noqa: PTH206 - Path is ten times as slow


@dataclass(frozen=True)
class Listing:
    """The image files below a directory, and what is left out.

    Args:
        folder: The directory.
        files: The image files, in the order of their paths.
        unreadable: The paths of files and directories that cannot be read, with the reasons.
        other_files: The paths of files without an image's suffix.
        hidden: The paths of hidden directories and images.
        known_links: The paths of links to directories whose images are listed already.
    """

    folder: Path
    files: list[ImageFile] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    other_files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    known_links: list[str] = field(default_factory=list)

    def remarks(self) -> Iterator[str]:
        """Yield what is left out, a line for each kind."""
        if self.other_files:
            n, names = len(self.other_files), named(sorted(self.other_files))
            kinds = sorted(
                Counter(map(_suffix, self.other_files)).items(), key=lambda item: (-item[1], item[0])
            )
            each = ", ".join(
                f"{count:,} {escaped(suffix) or 'without a suffix'}" for suffix, count in kinds[:MOST_NAMED]
            )
            files = f"{n:,} file" if n == 1 else f"{n:,} files"
            yield f"left out: {files} without an image's suffix ({each}): {names}"
        if self.hidden:
            yield f"left out: hidden images and folders, {named(sorted(self.hidden))}"
        if self.known_links:
            links = named(sorted(self.known_links))
            yield f"left out: links to folders whose images are read already, {links}"


def list_images(folder: Path) -> Listing:
    """List the image files below a directory, recursively, except hidden files and directories.

    Links are followed, with one exception: a link to a directory whose images are listed already, or that
    contains ``folder``. Therefore no loop of links is endless, and no such link doubles the images.
    """
    walk = _Walk(folder)
    walk.run()
    walk.listing.files.sort(key=lambda file: file.parts)
    return walk.listing


class _Walk:
    """Lists the files of a directory: first those of real directories, then those behind links."""

    def __init__(self, folder: Path) -> None:
        self.listing = Listing(folder)
        self._root = Path(os.path.realpath(folder))
        self._seen: set[tuple[int, int]] = set()
        self._links: list[str] = []

    def run(self) -> None:
        """Fill the listing."""
        self._visit("")
        for link in self._links:  # grows while links lead to further links
            target = Path(os.path.realpath(self.listing.folder / link))
            if self._is_known(target) or target in self._root.parents:
                self.listing.known_links.append(link)
            else:
                self._visit(link)

    def _is_known(self, directory: Path) -> bool:
        found = directory.stat()
        return (found.st_dev, found.st_ino) in self._seen

    def _visit(self, start: str) -> None:
        """List a directory and its real subdirectories, and remember the links to directories."""
        waiting = [start]
        while waiting:
            directory = waiting.pop()
            path = self.listing.folder / directory
            try:
                if self._is_known(path):
                    continue
                with os.scandir(path) as entries:
                    sorted_entries = sorted(entries, key=lambda entry: entry.name)
                found = path.stat()
                self._seen.add((found.st_dev, found.st_ino))
            except OSError as error:
                self._note_unreadable(directory, error)
                continue
            for entry in sorted_entries:
                self._take(entry, f"{directory}{os.sep}{entry.name}" if directory else entry.name, waiting)

    def _take(self, entry: os.DirEntry[str], path: str, waiting: list[str]) -> None:
        suffix = _suffix(entry.name)
        is_image = suffix in SUFFIXES
        try:
            is_directory = _is_directory(entry)
            if entry.name.startswith("."):
                self.listing.hidden.extend([path] if is_directory or is_image else [])
            elif is_directory:
                (self._links if entry.is_symlink() else waiting).append(path)
            elif is_image:
                self._add(entry, path)
            else:
                self._note_other(path, suffix)
        except OSError as error:
            self._note_unreadable(path, error)

    def _add(self, entry: os.DirEntry[str], path: str) -> None:
        found = entry.stat()
        if S_ISREG(found.st_mode):
            self.listing.files.append(ImageFile(path, found.st_size, found.st_mtime_ns))
        else:
            self.listing.unreadable[path] = "not a regular file"

    def _note_other(self, path: str, suffix: str) -> None:
        """Note a file without an image's suffix; a dead link without any suffix may have led to a folder."""
        file = self.listing.folder / path
        if not suffix and file.is_symlink() and not file.exists():
            self.listing.unreadable[path] = "a link that leads nowhere"
        else:
            self.listing.other_files.append(path)

    def _note_unreadable(self, path: str, error: OSError) -> None:
        self.listing.unreadable[path or "."] = error.strerror or str(error)


def _suffix(name: str) -> str:
    """Return the suffix of a file's name in small letters, with its dot; Path is ten times as slow."""
    stem, dot, suffix = name.rpartition(os.sep)[2].rpartition(".")
    return dot + suffix.lower() if stem else ""


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a directory or a link to one; False for a loop of links."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def escaped(path: str | Path) -> str:
    r"""Return a path as printable text: bytes that are not UTF-8, and control characters, are escaped.

    >>> escaped("caf\udce9/a\nb.png")
    'caf\\xe9/a\\nb.png'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def named(paths: list[str]) -> str:
    """Return the first ten of some paths, and how many more there are.

    >>> named(["a", "b"])
    'a, b'
    """
    more = f" and {len(paths) - MOST_NAMED:,} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(map(escaped, paths[:MOST_NAMED])) + more

"""The picture of the structure in CONTRIBUTING.md, drawn from the code.

``python -m tests.structure`` prints it; with ``--write`` it replaces the one in CONTRIBUTING.md.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- python -m tests.structure --write -->\n", "<!-- end -->\n"
GROUND = "errors, words"
PACKAGES = ("gan_core", "sweeps", "benchmarks")
UPWARD_IMPORT = ("sweeps.analysis.sweep", "sweeps.generators.kept")
"""The one import that points upwards: ``Sweep.generator()`` loads what the generators package finds."""


def room_of(module: str) -> str:
    """Return the part of the picture that a module belongs to; the public face of sweeps belongs to none."""
    package, _, rest = module.partition(".")
    part = rest.partition(".")[0]
    if package != "sweeps":
        return package
    return GROUND if part in GROUND.split(", ") else part


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return which parts each part imports, whether at start-up, lazily or for annotations alone."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        its = found.setdefault(room_of(module), set())
        imported = graph.find_modules_directly_imported_by(module)
        its |= {room_of(other) for other in imported if (module, other) != UPWARD_IMPORT}
    return {room: frozenset(its - {room, ""}) for room, its in found.items() if room}


@cache
def floor_of(room: str) -> int:
    """Return the length of the longest chain of imports below a part."""
    return 1 + max(map(floor_of, imports()[room]), default=-1)


def floors() -> dict[int, list[str]]:
    """Return the parts by floor, the highest first."""
    numbers = {room: floor_of(room) for room in imports()}
    return {
        floor: sorted(room for room, number in numbers.items() if number == floor)
        for floor in sorted(set(numbers.values()), reverse=True)
    }


def summary_of(file: Path) -> str:
    """Return the first line of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def modules_of(folder: Path) -> Iterator[str]:
    """Yield a line for each module of a package, and one for each package of components in it."""
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith("_"):
            yield f"  {file.stem:<15} {summary_of(file)}"
    for package in sorted(folder.glob("*/__init__.py")):
        yield f"  {package.parent.name + '/':<15} {summary_of(package)}"


def picture() -> Iterator[str]:
    """Yield the lines of the picture: the floors, and then what each part holds."""
    yield "floor  part         imports"
    for floor, rooms in floors().items():
        for room in rooms:
            below = sorted(imports()[room], key=lambda other: (-floor_of(other), other))
            yield f"{floor:>5}  {room:<14} {' '.join(below).replace(GROUND, 'errors words')}".rstrip()
    for room in (room for rooms in floors().values() for room in rooms):
        yield ""
        folder = ROOT / room if room in PACKAGES else ROOT / "sweeps" / room
        if room == GROUND:
            yield "sweeps/"
            yield from (line for line in modules_of(ROOT / "sweeps") if "/" not in line.split()[0])
        else:
            yield f"{folder.relative_to(ROOT)}/  {summary_of(folder / '__init__.py')}"
            yield from modules_of(folder)


def section() -> str:
    """Return the picture as CONTRIBUTING.md shows it, between its markers."""
    return f"{BEGIN}```\n{chr(10).join(picture())}\n```\n{END}"


def shown() -> str:
    """Return the section that CONTRIBUTING.md has now."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)]


if __name__ == "__main__":
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page.replace(shown(), section()), encoding="utf-8")
    else:
        print("\n".join(picture()))

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import gan_core

ROOT = Path(gan_core.__file__).parent


def imported(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside functions and for annotations count too."""
    names = {
        file: ".".join(file.relative_to(ROOT.parent).with_suffix("").parts) for file in ROOT.rglob("*.py")
    }
    modules = {name.removesuffix(".__init__"): {*imported(file)} for file, name in names.items()}
    sorter = TopologicalSorter({name: imports & modules.keys() for name, imports in modules.items()})
    assert {"gan_core.config", "gan_core.architectures"} <= {*sorter.static_order()}

"""Write the Python that loads what an export holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_core.imports import SENT
from sweeps.generators.contents import STATE, code_named_in
from sweeps.record.code import CODE

ABOUT = "config.json"
"""The file that says where an export comes from."""

_DRAW = """\
generator = gan_core.load_generator({file}{trust})
images = generator.sample(64, seed=0)  # uint8 (64, C, H, W)
Path("samples.png").write_bytes(png_grid(images))
"""

_LOAD = """\
kept = load_checkpoint({file})  # loop, config, image_shape, step, state
state = kept["state"]  # as the training loop returned it, with its tensors on the CPU
print(kept["loop"], kept["step"], kept["config"])
"""


def script_name(about: Mapping[str, Any]) -> str:
    """Return the name of the script that loads an export: ``draw.py`` or, for a loop's state, ``load.py``."""
    return "load.py" if about["file"] == STATE else "draw.py"


def script(about: Mapping[str, Any]) -> str:
    """Return the script that loads an export, for its folder."""
    does = "Load the state of the training loop" if about["file"] == STATE else "Draw 64 images"
    modules = {path.partition(":")[0] for path in code_named_in(about)} if _needs_code(about) else set()
    found = {"ray"} if any(module.startswith(SENT) for module in modules) else set()
    needs = ["torch", "gan_core", *sorted(found if about["code"] else modules)]
    documentation = f'"""{does}; needs {", ".join(needs[:-1])} and {needs[-1]}."""'
    return f"{documentation}\n\n{_lines(about, 'Path(__file__).parent')}"


def snippet(out: Path) -> str:
    """Return the Python that loads what :func:`sweeps.generators.export.export` wrote into a folder."""
    about = json.loads((out / ABOUT).read_text(encoding="utf-8"))
    return _lines(about, f"Path({str(out)!r})")


def _lines(about: Mapping[str, Any], folder: str) -> str:
    """Return the Python that loads an export from a folder, a Python expression."""
    finds_code = _needs_code(about) and about["code"]
    imports = ["from pathlib import Path"]
    if finds_code:
        imports.insert(0, "import sys")
    of_state = about["file"] == STATE
    ours = ["from gan_core.checkpoint import load_checkpoint"]
    if not of_state:
        ours = ["import gan_core", "from gan_core.images import png_grid"]
    search = [f'sys.path.insert(0, str({folder} / "{CODE}"))'] if finds_code else []
    body = (_LOAD if of_state else _DRAW).format(
        file=f'{folder} / "{about["file"]}"', trust=", allow_imports=True" if _needs_code(about) else ""
    )
    return "\n".join([*imports, "", *ours, "", *search, body])


def _needs_code(about: Mapping[str, Any]) -> bool:
    """Return whether the user's own code rebuilds the generator; a state is loaded without it."""
    return about["file"] != STATE and bool(code_named_in(about))

"""Code that a file of somebody else's names is not run until that is allowed."""

import pytest
from typer.testing import CliRunner

import sweeps
from gan_core.errors import ImportsNotAllowedError
from gan_core.imports import allow_imports, import_attribute, imports, imports_are_allowed
from sweeps.cli.app import app
from sweeps.driver.runner import _valid_spec
from sweeps.errors import SpecError, SweepError
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write

OF_DATA = GOOD.replace("dataset: mnist-5k", "dataset: evil_module:data")
EVIL = "raise SystemExit('code ran')"


@pytest.fixture(autouse=True)
def closed(tmp_path, monkeypatch):
    """As the command has it: no imports, with a module that would say so."""
    (tmp_path / "evil_module.py").write_text(EVIL, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with imports(allowed=False):
        yield


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("values: [bce, lsgan]", "values: [bce, 'evil_module:Loss']"),
        GOOD + "  architecture: {value: 'evil_module:Pair'}\n",
        GOOD + "  penalty: 'evil_module:penalty'\n",
        OF_DATA,
        GOOD + "extractor: evil_module:Dino\n",
        GOOD + "points: [{loss: 'evil_module:Loss'}]\n",
        GOOD + "  beta2: {values: [0.9, 0.99], when: {loss: 'evil_module:Loss'}}\n",
    ],
)
def test_a_file_that_names_code_is_refused_with_what_to_type(tmp_path, text):
    with pytest.raises(SpecError, match=r"evil_module:\w+ names code, .* add --allow-imports"):
        load_spec(write(tmp_path, text))


def test_nor_does_a_ledger_run_code_that_it_names(tmp_path):
    spec = load_spec(write(tmp_path, GOOD)).model_dump(mode="json")
    with pytest.raises(SweepError, match=r"evil_module:data names code"):
        _valid_spec("tiny", spec | {"dataset": "evil_module:data"})


def test_the_option_allows_it(tmp_path):
    file = write(tmp_path, OF_DATA)
    refused = CliRunner().invoke(app, ["preview", str(file), "--json"])
    assert isinstance(refused.exception, SpecError)
    CliRunner().invoke(app, ["preview", str(file), "--json", "--allow-imports"])
    assert imports_are_allowed()
    allow_imports(False)


def test_in_python_a_run_imports_if_allowed(tmp_path):
    file = write(tmp_path, OF_DATA)
    with pytest.raises(SpecError, match="names code"):
        sweeps.run(file, results=tmp_path)
    with pytest.raises(SpecError, match="importing the module evil_module raised SystemExit: code ran"):
        sweeps.run(file, results=tmp_path, allow_imports=True)
    assert not imports_are_allowed()


def test_a_program_that_names_its_own_components_trusts_them():
    with pytest.raises(ImportsNotAllowedError):
        import_attribute("math:pi")
    with imports(allowed=True):
        assert import_attribute("math:pi") > 3

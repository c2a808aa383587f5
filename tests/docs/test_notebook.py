"""docs/first-steps.ipynb: its cells run one after the other, and it is committed without outputs."""

import json
import subprocess
import sys

import matplotlib
import pytest

from tests import forked
from tests.conftest import ROOT

NOTEBOOK = json.loads((ROOT / "docs" / "first-steps.ipynb").read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_starts_from_the_installation_and_is_committed_without_outputs():
    assert CODE[0].startswith("%pip install")
    assert all(cell["outputs"] == [] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")


@pytest.mark.slow
def test_its_cells_run_and_end_with_a_verdict_and_a_trained_model(tmp_path, tiny_cifar100, monkeypatch, capsys):
    usual = subprocess.run

    def run(command, **options):
        return forked.run(command[1:], tmp_path) if command[0] == sys.executable else usual(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    with matplotlib.rc_context({"backend": "agg"}):
        for number, source in enumerate(CODE):
            if not source.startswith("%"):  # the installation, which a test does not repeat
                exec(compile(source, f"cell {number} of first-steps.ipynb", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "ReLUs are CAReLUs now" in printed
    assert "CAReLU vs ReLU" in namespace["verdict"]
    assert namespace["trained"].identity.act == "carelu"

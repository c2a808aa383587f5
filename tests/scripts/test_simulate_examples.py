"""The simulation behind the table of docs/results-and-statistics.md on seeds and test examples."""

import os
import subprocess
import sys

import numpy as np
import pytest

from scripts.simulate_examples import CASES
from tests.conftest import ROOT


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, {case.seeds} seeds, {case.examples}")
def test_the_true_difference_of_a_case_is_the_mean_over_many_test_sets(case):
    generator = np.random.default_rng(0)
    means, truths = zip(
        *((d.mean(), truth) for d, truth in (case.draw(generator, 8, 500) for _ in range(300))), strict=True
    )
    assert len({*truths}) == 1
    assert abs(np.mean(means) - truths[0]) < 4 * np.std(means) / np.sqrt(300)


@pytest.mark.slow
def test_the_documentation_holds_what_the_command_prints():
    command = [sys.executable, "scripts/simulate_examples.py"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in (ROOT / "docs/results-and-statistics.md").read_text(encoding="utf-8")

"""One simulated ledger with all that is drawn from it, for the tests of figures and page."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures import make_figures
from tests.experiments.simulated import simulate


@pytest.fixture(scope="session")
def evidence(tmp_path_factory):
    """Three activations × three seeds × two tasks, with metrics and pictures; carelu is planted far above."""
    return read_evidence(simulate(tmp_path_factory.mktemp("evidence"), effects={"carelu": 20.0}))


@pytest.fixture(scope="session")
def figures(evidence):
    return make_figures(evidence)

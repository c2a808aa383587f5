"""The picture of the first screen."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures.opening import opening
from experiments.report.figures.subject import Subject
from tests.experiments.ledgers import grid, write


def opened(tmp_path, acts, baseline="relu", **options):
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(acts, range(1))))
    return opening(Subject.of(evidence, baseline, **options))


@pytest.mark.parametrize(
    ("act", "formula"),
    [
        ("carelu", "p = Σ max(z, 0)² / Σ z²"),
        ("carelu(competition=l1)", "p = Σ max(z, 0) / Σ |z|"),
        ("carelu_count", "p = the part of the z that are positive"),
    ],
)
def test_a_competition_has_its_formula_and_an_example_that_competes(tmp_path, act, formula):
    found = opened(tmp_path, ("relu", "gelu", act))
    assert found.formula == ("CAReLU(z) = ReLU(K tanh(α p + β) · z)", formula)
    assert found.figure.caption.startswith("An example, α = 2, β = −1, K = 1.5. One scale")
    assert "derivative" not in found.figure.caption


def test_a_competition_that_competes_from_its_start_is_shown_as_it_starts(tmp_path):
    rows = grid(("relu", "carelu", "carelu(alpha=4)"), range(1))
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    caption = opening(Subject.of(evidence, "relu")).figure.caption
    assert caption.startswith("At the start of training, α = 4, β = −1.195, K = 1.5. One scale")


@pytest.mark.parametrize(
    ("acts", "options"),
    [(("relu", "gelu"), {}), (("relu", "gelu", "carelu"), {"named": ("gelu",)})],
)
def test_any_other_subject_has_its_response(tmp_path, acts, options):
    found = opened(tmp_path, acts, **options)
    assert found.formula == ()
    assert found.figure.alt == "Line charts of y and of its derivative over z: ReLU, GELU."
    assert "CAReLU" not in found.figure.title + found.figure.caption


def test_a_competition_that_is_the_baseline_alone_is_not_the_subject(tmp_path):
    assert opened(tmp_path, ("carelu", "gelu"), baseline="carelu").formula == ()


def test_activations_of_someone_elses_library_have_no_picture(tmp_path):
    assert opened(tmp_path, ("mine", "yours"), baseline="mine") is None

"""The sentences: what the statistics allow, and never more."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import findings
from experiments.report.sentences import finding_sentence, summary
from tests.experiments.ledgers import grid, row, write


def found(tmp_path, rows, baseline="relu"):
    return findings(read_evidence(write(tmp_path / "ledger.csv", rows)), baseline)


def pair(values, act="carelu"):
    rows = [row("relu", seed, 40.0 + seed) for seed in range(len(values))]
    return rows + [row(act, seed, 40.0 + seed + value) for seed, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "ending"),
    [
        ([0.8], "+0.80 points (n = 1): no test, which needs two pairs of runs."),
        ([0.5, 0.5], "+0.50 points (n = 2): no test, all differences are equal."),
        ([0.8, 0.9, 1.0], "+0.65 to +1.15, corrected p = 0.004, n = 3): significantly better."),  # t = 0.9 / (0.1/√3)
        ([-0.8, -0.9, -1.0], "corrected p = 0.004, n = 3): significantly worse."),
        ([-0.8, 0.9, 1.0], "n = 3): no significant difference."),
    ],
)
def test_a_sentence_ends_with_what_the_test_allows(tmp_path, values, ending):
    (finding,) = found(tmp_path, pair(values))
    sentence = finding_sentence(finding, "relu")
    assert sentence.startswith("CAReLU vs ReLU on CIFAR-100, top-1 accuracy: ")
    assert sentence.endswith(ending)
    assert ("95 % CI" in sentence) == (len(set(values)) > 1)


def test_a_diverged_run_is_named_in_place_of_a_verdict(tmp_path):
    (finding,) = found(tmp_path, [*pair([0.8, 0.9, 1.0]), row("carelu", 3, status="diverged")])
    assert finding_sentence(finding, "relu").endswith("n = 3): not tested, since 1 run diverged.")
    assert summary([finding], "relu") == "CAReLU is not significantly different from ReLU."


def test_a_ledger_is_summed_up_by_its_subject_and_then_by_all(tmp_path):
    rows = grid(("relu", "gelu", "carelu"), range(5), ("cifar100", "text"), effects={"carelu": 30.0})
    assert summary(found(tmp_path, rows), "relu") == (
        "CAReLU is significantly better than ReLU in 2 of 2 comparisons and significantly worse in 0. "
        "Of the 4 comparisons with ReLU, 2 are significant: 2 better, 0 worse."
    )


def test_without_carelu_a_summary_does_not_name_it(tmp_path):
    rows = grid(("relu", "gelu", "swish"), range(5), effects={"gelu": -30.0})
    assert summary(found(tmp_path, rows), "relu") == (
        "Of the 2 comparisons with ReLU, 1 is significant: 0 better, 1 worse."
    )


def test_variants_are_compared_with_the_default(tmp_path):
    rows = grid(("carelu", "carelu(gain=2)", "carelu(gain=3)"), range(5), effects={"carelu(gain=2)": 30.0})
    assert summary(found(tmp_path, rows, "carelu"), "carelu") == (
        "1 of the 2 variants is significantly better than the default; none is significantly worse."
    )
    rows = grid(("carelu", "carelu(gain=2)", "carelu(gain=3)"), range(5), effects={"carelu(gain=2)": -30.0})
    assert summary(found(tmp_path, rows, "carelu"), "carelu") == (
        "None of the 2 variants is significantly better than the default; 1 is significantly worse."
    )


def test_single_seeds_and_missing_pairs_are_no_test(tmp_path):
    assert summary(found(tmp_path, pair([0.8])), "relu").startswith("No test was possible")
    assert summary(found(tmp_path, [row("relu", 0), row("carelu", 1)]), "relu").startswith("Nothing is compared")

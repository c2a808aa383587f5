"""The sentences: what the verdicts allow, and never more."""

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


ANY = "95 % CI at any number of seeds"


@pytest.mark.parametrize(
    ("values", "ending"),
    [
        ([0.8], "+0.80 points (n = 1): undecided; an answer needs at least 4 pairs of runs."),
        ([0.8, 0.9, 1.0], "+0.90 points (n = 3): undecided; an answer needs at least 4 pairs of runs."),
        # sd 0.0816, and the half-width at 4 pairs is 7.7 standard errors.
        ([0.8, 0.9, 1.0, 0.9], f"+0.90 points ({ANY} +0.59 to +1.21, n = 4): better."),
        ([-0.8, -0.9, -1.0, -0.9], f"−0.90 points ({ANY} −1.21 to −0.59, n = 4): worse."),
        ([0.2, 0.21, 0.19, 0.2], "n = 4): better, by less than the margin of 0.5 points."),
        ([0.01, -0.01, 0.01, -0.01], "n = 4): equivalent, within ±0.5 points."),
        ([0.5] * 4, f"+0.50 points ({ANY} +0.50 to +0.50, n = 4): better."),
    ],
)
def test_a_sentence_ends_with_the_verdict(tmp_path, values, ending):
    (finding,) = found(tmp_path, pair(values))
    sentence = finding_sentence(finding, "relu")
    assert sentence.startswith("CAReLU vs ReLU on CIFAR-100, top-1 accuracy: ")
    assert sentence.endswith(ending)
    assert (ANY in sentence) == (len(values) > 3)


def test_an_undecided_sentence_says_how_many_seeds_would_decide(tmp_path):
    (finding,) = found(tmp_path, pair([-0.8, 0.9, 1.0, 0.2, 0.6]))
    assert finding_sentence(finding, "relu").endswith(
        f": undecided; about {finding.entry.verdict.seeds_needed} seeds would decide."
    )


def test_with_several_activations_an_answer_needs_more_pairs(tmp_path):
    first, *_ = found(tmp_path, grid(("relu", "elu", "gelu", "swish", "mish"), range(3)))
    assert finding_sentence(first, "relu").endswith("an answer needs at least 5 pairs of runs.")


def test_a_diverged_run_is_named_in_place_of_a_verdict(tmp_path):
    (finding,) = found(tmp_path, [*pair([0.8, 0.9, 1.0, 0.9]), row("carelu", 4, status="diverged")])
    assert finding_sentence(finding, "relu").endswith("n = 4): no verdict, since 1 run diverged.")
    assert summary([finding], "relu") == "There is no verdict on CAReLU and ReLU."


def test_a_metric_without_a_margin_is_named_in_place_of_a_verdict(tmp_path):
    rows = [{**each, "top5": each["top1"]} for each in pair([0.8, 0.9, 1.0, 0.9])]
    (finding,) = findings(read_evidence(write(tmp_path / "ledger.csv", rows)), "relu", "top5")
    assert finding_sentence(finding, "relu").endswith("no verdict, since top-5 accuracy has no margin of equivalence.")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.8, 0.9, 1.0, 0.9], "CAReLU is better than ReLU."),
        ([-0.8, -0.9, -1.0, -0.9], "CAReLU is worse than ReLU."),
        ([0.01, -0.01, 0.01, -0.01], "CAReLU is equivalent to ReLU."),
        ([0.8], "Whether CAReLU differs from ReLU is undecided."),
    ],
)
def test_one_comparison_is_summed_up_by_its_verdict(tmp_path, values, said):
    assert summary(found(tmp_path, pair(values)), "relu") == said


def test_a_ledger_is_summed_up_by_its_subject_and_then_by_all(tmp_path):
    rows = grid(("relu", "gelu", "carelu"), range(5), ("cifar100", "text"), effects={"carelu": 30.0})
    assert summary(found(tmp_path, rows), "relu") == (
        "CAReLU compared with ReLU 2 times: 2 better. All 4 comparisons with ReLU: 2 better, 2 undecided."
    )


def test_without_carelu_a_summary_does_not_name_it(tmp_path):
    rows = grid(("relu", "gelu", "swish"), range(5), effects={"gelu": -30.0})
    assert summary(found(tmp_path, rows), "relu") == "All 2 comparisons with ReLU: 1 worse, 1 undecided."


def test_variants_are_compared_with_the_default(tmp_path):
    rows = grid(("carelu", "carelu(gain=2)", "carelu(gain=3)"), range(5), effects={"carelu(gain=2)": 30.0})
    assert summary(found(tmp_path, rows, "carelu"), "carelu") == (
        "2 variants compared with the default: 1 better, 1 undecided."
    )


def test_without_a_shared_seed_nothing_is_compared(tmp_path):
    assert summary(found(tmp_path, [row("relu", 0), row("carelu", 1)]), "relu").startswith("Nothing is compared")

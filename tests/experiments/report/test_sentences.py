"""The sentences: what the verdicts allow, and never more."""

from dataclasses import replace

import pytest

from experiments.analysis import metrics
from experiments.analysis.activity import Activity
from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import findings
from experiments.configuration.task_spec import spec_of
from experiments.report.sentences import activity_sentence, finding_sentence, summary
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
        (
            [0.8],
            "+0.80 points (ReLU: 40.00 %, chance: 1 %; n = 1): undecided; an answer needs at least 4 pairs of runs.",
        ),
        (
            [0.8, 0.9, 1.0],
            "+0.90 points (ReLU: 41.00 %, chance: 1 %; n = 3): undecided; an answer needs at least 4 pairs of runs.",
        ),
        # sd 0.0816, and the half-width at 4 pairs is 7.7 standard errors.
        ([0.8, 0.9, 1.0, 0.9], f"+0.90 points (ReLU: 41.50 %, chance: 1 %; {ANY} +0.59 to +1.21, n = 4): better."),
        ([-0.8, -0.9, -1.0, -0.9], f"−0.90 points (ReLU: 41.50 %, chance: 1 %; {ANY} −1.21 to −0.59, n = 4): worse."),
        ([0.2, 0.21, 0.19, 0.2], "n = 4): better, by less than the margin of 0.5 points."),
        ([0.01, -0.01, 0.01, -0.01], "n = 4): equivalent, within ±0.5 points."),
        ([0.5] * 4, f"+0.50 points (ReLU: 41.50 %, chance: 1 %; {ANY} +0.50 to +0.50, n = 4): better."),
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
    assert summary(found(tmp_path, pair(values)), "relu", ("carelu",)) == said


def test_a_ledger_is_summed_up_by_its_subject_and_then_by_all(tmp_path):
    rows = grid(("relu", "gelu", "carelu"), range(5), ("cifar100", "text"), effects={"carelu": 30.0})
    all_of_it = "All 4 comparisons with ReLU: 2 better, 2 undecided."
    of_all = found(tmp_path, rows)
    carelu, gelu = "CAReLU compared with ReLU 2 times: 2 better.", "GELU compared with ReLU 2 times: 2 undecided."
    assert summary(of_all, "relu") == all_of_it
    assert summary(of_all, "relu", ("carelu",)) == f"{carelu} {all_of_it}"
    assert summary(of_all, "relu", ("gelu",)) == f"{gelu} {all_of_it}"
    assert summary(of_all, "relu", ("gelu", "carelu")) == f"{gelu} {carelu}"


def test_without_carelu_a_summary_does_not_name_it(tmp_path):
    rows = grid(("relu", "gelu", "swish"), range(5), effects={"gelu": -30.0})
    assert summary(found(tmp_path, rows), "relu") == "All 2 comparisons with ReLU: 1 worse, 1 undecided."


def test_comparisons_of_the_same_runs_on_further_test_sets_are_said_to_be_that(tmp_path):
    rows = grid(("relu", "gelu"), range(5), ("superres",))
    for each in rows:
        each.update({"set5/psnr_y": each["psnr_y"], "set14/psnr_y": each["psnr_y"]})
    said = summary(found(tmp_path, rows), "relu")
    assert said.startswith("All 3 comparisons with ReLU, 2 of them by the same runs on further test sets: ")


def test_variants_are_compared_with_the_default(tmp_path):
    rows = grid(("carelu", "carelu(gain=2)", "carelu(gain=3)"), range(5), effects={"carelu(gain=2)": 30.0})
    assert summary(found(tmp_path, rows, "carelu"), "carelu") == (
        "2 variants of CAReLU compared with the default: 1 better, 1 undecided."
    )


def test_variants_of_any_activation_are_counted_once_over_several_settings(tmp_path):
    rows = grid(("elu", "elu(alpha=2)"), range(5), ("cifar100", "text"))
    assert summary(found(tmp_path, rows, "elu"), "elu", ("elu",)).startswith(
        "1 variant of ELU compared with the default, 2 comparisons: "
    )


def test_a_subject_that_shares_no_seed_is_named(tmp_path):
    rows = [*pair([0.8]), row("gelu", 7)]
    assert summary(found(tmp_path, rows), "relu", ("gelu",)).startswith("GELU shares no seed with ReLU")


def test_without_a_shared_seed_nothing_is_compared(tmp_path):
    assert summary(found(tmp_path, [row("relu", 0), row("carelu", 1)]), "relu").startswith("Nothing is compared")


@pytest.mark.parametrize(
    ("activity", "said"),
    [
        (Activity(), ""),
        (
            Activity(0.005, 0.0, 0.3),
            "Its scale varied by 0.50 % over inputs in the median layer, so at least half of its layers acted as ReLU "
            "times a constant.",
        ),
        (
            Activity(0.23, 0.04, 0.3),
            "Its scale varied by 23 % over inputs in the median layer; it was negative for 4.0 % of them.",
        ),
        (
            Activity(0.005, 0.04, 0.3),
            "Its scale varied by 0.50 % over inputs in the median layer; it was negative for 4.0 % of them.",
        ),
        (
            Activity(response_distance=0.004),
            "Its response differed from that of ReLU by 0.40 % in the median layer, so at least half of its layers "
            "acted as ReLU.",
        ),
        (
            Activity(0.001, 0.0, 0.002),
            "Its response differed from that of ReLU by 0.20 % in the median layer, so at least half of its layers "
            "acted as ReLU.",
        ),
        (Activity(response_distance=0.18), "Its response differed from that of ReLU by 18 % in the median layer."),
    ],
)
def test_a_sentence_says_whether_the_activation_did_anything(activity, said):
    assert activity_sentence(activity) == said


def test_a_finding_says_what_its_activation_did(tmp_path):
    rows = [*pair([0.8, 0.9, 1.0, 0.9])[:4]]
    rows += [{**each, "response_distance": 0.004} for each in pair([0.8, 0.9, 1.0, 0.9], "gelu")[4:]]
    (finding,) = found(tmp_path, rows)
    assert finding_sentence(finding, "relu").endswith(
        ": better. Its response differed from that of ReLU by 0.40 % in the median layer, so at least half "
        "of its layers acted as ReLU."
    )


def test_the_level_is_that_of_the_baseline_on_the_shared_seeds_with_bicubic_beside_it(tmp_path):
    rows = [row("relu", seed, 31.0 + seed, "superres", bicubic_psnr_y=29.5) for seed in range(3)]
    rows += [row("gelu", seed, 31.1 + seed, "superres", bicubic_psnr_y=29.5) for seed in range(2)]
    (finding,) = found(tmp_path, rows)
    assert "+0.100 dB (ReLU: 31.500 dB, bicubic: 29.500 dB; n = 2)" in finding_sentence(finding, "relu")


def test_where_lower_is_better_a_lower_value_is_called_better_and_a_higher_one_worse(tmp_path, monkeypatch):
    cifar = spec_of("cifar100")
    monkeypatch.setattr(metrics, "spec_of", lambda task: replace(cifar, headline="loss"))
    for value, word in ((-0.9, "better"), (0.9, "worse")):
        rows = [{**each, "headline_metric": "loss", "loss": each["top1"]} for each in pair([value] * 4, "gelu")]
        of_one = found(tmp_path, rows)
        assert finding_sentence(of_one[0], "relu").endswith(f"n = 4): {word}.")
        assert summary(of_one, "relu") == f"GELU is {word} than ReLU."

"""The comparison of activations: pairs, correction, verdicts; and that in many simulated ledgers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from experiments.analysis import metrics
from experiments.analysis.comparison import compare, inequalities, metrics_shown
from experiments.analysis.evidence import read_evidence
from experiments.analysis.statistics import LEVEL, detectable_difference, holm, power
from experiments.analysis.verdict import judge, posterior
from experiments.configuration.task_spec import spec_of
from tests.experiments.ledgers import grid, row, write

LEDGERS, SEEDS = 300, 5
NOISE = 0.5
"""Standard deviation of a run around what its seed has in common with the others, in points of accuracy."""


def compared(file, rows, metric="top1", baseline="relu"):
    evidence = read_evidence(write(file, rows))
    (setting,) = evidence.settings()
    return {entry.act: entry for entry in compare(evidence, setting, metric, baseline)}


def gains(values, act="carelu"):
    """Runs of relu, and of another activation that is so much above it at each seed."""
    rows = [row("relu", seed, 40.0 + seed) for seed in range(len(values))]
    return rows + [row(act, seed, 40.0 + seed + value) for seed, value in enumerate(values)]


def test_p_values_are_corrected_over_the_activations(tmp_path):
    found = compared(tmp_path / "ledger.csv", grid(["relu", "carelu", "gelu", "elu"], range(3)))
    others = ["carelu", "elu", "gelu"]
    assert [found[act].p_holm for act in others] == holm([found[act].paired.p_value for act in others])


GAIN = [0.8, 0.9, 1.0, 0.9]
LOSS = [-gain for gain in GAIN]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (GAIN, "better"),
        (LOSS, "worse"),
        ([0.0, 0.01, -0.01, 0.0], "equivalent"),
        ([-0.8, 0.9, 1.0, 0.2], "undecided"),
        (GAIN[:3], "undecided"),
    ],
)
def test_the_verdict_is_that_of_the_paired_differences(tmp_path, values, word):
    entry = compared(tmp_path / "ledger.csv", gains(values))["carelu"]
    assert entry.verdict.word == word
    assert (entry.better, entry.different, entry.decided) == (
        word == "better",
        word in ("better", "worse"),
        word != "undecided",
    )
    assert entry.verdict.low == pytest.approx(judge(values, 0.5).low)


def test_the_margin_is_that_of_the_task_and_holds_for_the_headline_on_every_set(tmp_path):
    rows = [{**each, "validation/top1": each["top1"]} for each in gains(GAIN)]
    for metric in ("top1", "validation/top1"):
        entry = compared(tmp_path / "ledger.csv", rows, metric)["carelu"]
        assert (entry.margin, entry.verdict.word) == (spec_of("cifar100").margin, "better")


def test_another_metric_has_no_margin_and_so_no_verdict(tmp_path):
    rows = [{**each, "top5": each["top1"]} for each in gains(GAIN)]
    entry = compared(tmp_path / "ledger.csv", rows, "top5")["carelu"]
    assert entry.margin is entry.verdict is entry.posterior is None
    assert entry.p_holm < LEVEL


def test_another_metric_is_compared_by_its_own_values(tmp_path):
    rows = [{**each, "top5": 2 * each["top1"]} for each in gains(GAIN)]
    found = compared(tmp_path / "ledger.csv", rows, "top5")
    assert found["carelu"].paired.difference == pytest.approx(2 * np.mean(GAIN))
    assert found["relu"].values == {0: 80.0, 1: 82.0, 2: 84.0, 3: 86.0}


def test_where_lower_is_better_a_lower_value_is_better(tmp_path, monkeypatch):
    cifar = spec_of("cifar100")
    monkeypatch.setattr(metrics, "spec_of", lambda task: replace(cifar, headline="loss"))
    rows = [{**each, "loss": each["top1"]} for each in gains(LOSS)]
    assert compared(tmp_path / "ledger.csv", rows, "loss")["carelu"].better


@pytest.mark.parametrize("act", ["carelu", "relu"])
def test_there_is_no_verdict_where_the_activation_or_the_baseline_diverged(tmp_path, act):
    rows = [*gains(GAIN), row(act, 4, status="diverged")]
    entry = compared(tmp_path / "ledger.csv", rows)["carelu"]
    assert entry.p_holm < LEVEL
    assert (entry.diverged, entry.verdict, entry.posterior) == (1, None, None)
    assert not (entry.better or entry.different or entry.decided)


def test_the_baseline_comes_first_and_is_compared_with_nothing(tmp_path):
    found = compared(tmp_path / "ledger.csv", [*gains(GAIN, "tanh"), *gains(LOSS, "gelu")[4:]], baseline="tanh")
    assert next(iter(found)) == "tanh"
    entry = found["tanh"]
    assert entry.paired is entry.p_holm is entry.verdict is entry.posterior is entry.level is None
    assert (entry.unlike, entry.compared, entry.diverged) == ((), 2, 0)


def test_the_level_is_the_mean_of_the_baseline_over_the_pairs(tmp_path):
    rows = [*gains([0.5, 0.7, 0.9])[:5], row("elu", 99, 41.0)]  # carelu has the seeds 0 and 1 alone
    found = compared(tmp_path / "ledger.csv", rows)
    assert found["carelu"].level == 40.5 and found["elu"].level is None
    assert found["carelu"].paired.n == 2 and found["elu"].paired.n == 0


def test_what_is_detectable_is_found_at_the_level_that_the_tests_share(tmp_path):
    pairs = [0.5, 0.7]
    rows = [*gains(pairs), *gains([0.1, 0.4], "gelu")[2:], row("elu", 0, 41.0)]  # one pair is no test
    entry = compared(tmp_path / "ledger.csv", rows)["carelu"]
    assert entry.paired.detectable == pytest.approx(detectable_difference(2, np.std(pairs, ddof=1), LEVEL / 2))


def test_another_margin_may_be_given(tmp_path):
    evidence = read_evidence(write(tmp_path / "ledger.csv", gains(GAIN + GAIN)))
    (setting,) = evidence.settings()
    entry = compare(evidence, setting, "top1", "relu", margin=2.0)[1]
    assert (entry.margin, entry.compared) == (2.0, 1)
    expected = judge(GAIN + GAIN, 2.0)
    assert entry.verdict.negligible and entry.verdict.low == pytest.approx(expected.low)
    assert entry.posterior.above == pytest.approx(posterior(GAIN + GAIN, 2.0).above)


def test_bicubic_interpolation_is_the_reference_where_all_runs_agree_on_it(tmp_path):
    rows = grid(["relu", "gelu"], range(2), ["superres"], **{"bicubic_psnr_y": 28.5, "set5/psnr_y": 36.0})
    for each in rows:
        each["set5/bicubic_psnr_y"] = 30.0 + each["seed"]
    assert {entry.reference for entry in compared(tmp_path / "l.csv", rows, "psnr_y").values()} == {28.5}
    assert {entry.reference for entry in compared(tmp_path / "l.csv", rows, "set5/psnr_y").values()} == {None}


def test_runs_are_counted_by_how_they_ended(tmp_path):
    rows = [*gains(GAIN), row("carelu", 8, status="failed"), row("carelu", 9, status="diverged")]
    entry = compared(tmp_path / "ledger.csv", rows)["carelu"]
    assert [entry.count(status) for status in ("finished", "failed", "diverged")] == [4, 1, 1]


def test_a_run_of_another_activation_that_diverged_changes_nothing(tmp_path):
    rows = [*gains(GAIN), row("gelu", 0, status="diverged")]
    assert compared(tmp_path / "ledger.csv", rows)["carelu"].better


def test_a_constant_difference_counts_for_the_verdict_and_has_no_test(tmp_path):
    rows = [*gains([0.5] * 6), *gains(GAIN + GAIN, "gelu")[8:]]
    found = compared(tmp_path / "ledger.csv", rows)
    assert (found["carelu"].verdict.word, found["carelu"].compared) == ("better", 2)
    assert found["carelu"].verdict.low == pytest.approx(found["carelu"].verdict.high)
    assert found["gelu"].p_holm == found["gelu"].paired.p_value  # the only test
    assert found["carelu"].p_holm is found["carelu"].posterior is None


def test_the_level_is_shared_by_the_activations_that_share_a_seed_with_the_baseline(tmp_path):
    others = [*gains(GAIN + GAIN, "gelu")[8:], row("elu", 99, 41.0)]
    entry = compared(tmp_path / "ledger.csv", [*gains(GAIN + GAIN), *others])["carelu"]
    assert entry.compared == 2
    of_two = judge([value for value in GAIN + GAIN], 0.5, comparisons=2)
    assert (entry.verdict.low, entry.verdict.high) == (pytest.approx(of_two.low), pytest.approx(of_two.high))


def test_without_the_baseline_nothing_is_paired(tmp_path):
    found = compared(tmp_path / "ledger.csv", grid(["carelu", "gelu"], range(3)))
    assert {(entry.paired, entry.p_holm, entry.verdict) for entry in found.values()} == {(None, None, None)}


def test_the_headline_is_shown_on_every_test_set_and_not_on_the_held_out_part(tmp_path):
    rows = grid(["relu"], range(2), ["superres"], **{"set5/psnr_y": 36.0, "validation/psnr_y": 30.0})
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    (setting,) = evidence.settings()
    assert metrics_shown(evidence, setting, None) == ["psnr_y", "set5/psnr_y"]
    assert metrics_shown(evidence, setting, "validation/psnr_y") == ["validation/psnr_y"]
    assert metrics_shown(evidence, setting, "top1") == []


def simulated(folder, effects):
    """The entries of many ledgers, where relu and others are trained with five seeds.

    A seed moves all activations together, by much more than the effect: only pairs can tell.
    """
    random = np.random.default_rng(12345)
    for _ in range(LEDGERS):
        by_seed = 40.0 + 3.0 * random.normal(size=SEEDS)
        rows = [
            row(act, seed, round(value + effect + NOISE * random.normal(), 2))
            for act, effect in {"relu": 0.0, **effects}.items()
            for seed, value in enumerate(by_seed)
        ]
        yield compared(folder / "ledger.csv", rows)


def standard_error(rate):
    return math.sqrt(rate * (1 - rate) / LEDGERS)


@pytest.mark.slow
def test_an_effect_of_one_point_is_found_with_the_stated_power_of_the_t_test(tmp_path):
    found = [entries["carelu"] for entries in simulated(tmp_path, {"carelu": 1.0})]
    stated = power(SEEDS, NOISE * math.sqrt(2), 1.0)
    assert 0.5 < stated < 0.9  # neither hopeless nor sure, so that a wrong test would show
    rate = np.mean([entry.p_holm < LEVEL for entry in found])
    assert rate == pytest.approx(stated, abs=3 * standard_error(stated))
    assert not any(entry.verdict.word == "worse" for entry in found)


@pytest.mark.slow
def test_without_an_effect_a_ledger_calls_one_better_or_worse_no_more_often_than_stated(tmp_path):
    found = simulated(tmp_path, {"carelu": 0.0, "gelu": 0.0, "prelu": 0.0})
    rate = np.mean([any(entry.different for entry in entries.values()) for entries in found])
    assert rate <= LEVEL + 3 * standard_error(LEVEL)


@pytest.mark.parametrize("condition", ["torch", "kernel", "code_hash", "processor", "device"])
def test_runs_of_unlike_conditions_are_no_pair_and_the_inequality_is_named(tmp_path, condition):
    rows = gains(GAIN)
    rows[-1][condition] = "other"
    found = compared(tmp_path / "ledger.csv", rows)
    assert (found["carelu"].paired.n, found["carelu"].unlike) == (3, (3,))
    assert found["carelu"].verdict.word == "undecided"
    (inequality,) = inequalities(found.values())
    assert (inequality.condition, inequality.counts["other"], sum(inequality.counts.values())) == (condition, 1, 8)


@pytest.mark.parametrize(("precision", "pairs"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_instructions_for_bfloat16_part_the_runs_of_other_precisions_than_float32(tmp_path, precision, pairs):
    rows = [each | {"precision": precision, "processor": "AVX512 avx512_bf16"} for each in gains(GAIN)]
    rows[0]["processor"], rows[-1]["processor"] = "AVX512", "AVX512 amx_tile avx512_bf16"
    found = compared(tmp_path / "ledger.csv", rows)
    assert found["carelu"].paired.n == pairs and bool(inequalities(found.values())) == (pairs == 2)
    rows[0]["processor"] = "AVX2"  # other instructions for float32 as well
    assert compared(tmp_path / "ledger.csv", rows)["carelu"].paired.n == pairs - (pairs == 4)


def test_what_an_older_ledger_did_not_record_is_equal_to_itself_alone(tmp_path):
    unrecorded = dict.fromkeys(("kernel", "code_hash", "processor"), "")
    rows = [each | unrecorded for each in gains(GAIN)]
    found = compared(tmp_path / "ledger.csv", rows)
    assert (found["carelu"].paired.n, inequalities(found.values())) == (4, [])
    rows[0]["kernel"] = "cpp"
    assert compared(tmp_path / "ledger.csv", rows)["carelu"].unlike == (0,)


def test_two_functions_of_one_name_are_never_one_activation(tmp_path):
    rows = gains([*GAIN, *GAIN], act="mine")
    for each in rows[-4:]:
        each["activation_hash"] = "badbadbadbad"
    found = compared(tmp_path / "ledger.csv", rows)
    assert {act: entry.paired.n for act, entry in found.items() if act != "relu"} == {"mine#ac7": 4, "mine#badbad": 4}

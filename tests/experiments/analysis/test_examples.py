"""What a difference owes to seeds and to test examples; the interval over both; and files that cannot be used."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments.analysis.comparison import compare
from experiments.analysis.evidence import read_evidence
from experiments.analysis.examples import compare_examples, decompose
from experiments.analysis.statistics import compare_paired
from scripts.simulate_examples import CASES, coverage
from tests.experiments.ledgers import row, write


def test_the_two_parts_are_those_of_the_mean_squares_by_hand():
    differences = np.array([[1.0, 2.0, 6.0], [3.0, 2.0, 10.0]])
    found = decompose(differences)
    # Means of seeds 3 and 5, of examples 2, 2 and 8, of all 4; rest ±1 where a cell is not the sum of its means.
    of_seeds, of_examples, of_rest = 3 * 2 / 1, 2 * (4 + 4 + 16) / 2, (0 + 1 + 1 + 0 + 1 + 1) / 2
    assert found.difference == 4.0
    assert found.seed_error == pytest.approx(math.sqrt(of_seeds / 6))
    assert found.example_error == pytest.approx(math.sqrt((of_examples - of_rest) / 6))
    width = math.hypot(*(stats.t.ppf(0.975, count) * error for count, error in ((1, 1.0), (2, found.example_error))))
    assert (found.low, found.high) == (pytest.approx(4 - width), pytest.approx(4 + width))
    assert found.seed_share == pytest.approx(of_seeds / (of_seeds + of_examples - of_rest))


def test_planted_variances_are_found():
    generator = np.random.default_rng(0)
    seeds, examples, rest = (generator.normal(0, *each) for each in ((2.0, (400, 1)), (5.0, 600), (3.0, (400, 600))))
    found = decompose(seeds + examples + rest)
    assert found.seed_error == pytest.approx(math.sqrt(4 / 400 + 9 / 240_000), rel=0.1)
    assert found.example_error == pytest.approx(math.sqrt(25 / 600), rel=0.1)


def test_without_a_part_of_the_examples_the_interval_is_the_paired_t_interval():
    differences = np.array([0.1, 0.5, 0.3, 0.7])[:, None] + np.zeros(50)
    found, paired = (
        decompose(differences),
        compare_paired(dict(enumerate(differences[:, 0])), dict.fromkeys(range(4), 0.0)),
    )
    assert (found.example_error, found.seed_share) == (0.0, 1.0)
    assert (found.low, found.high) == (pytest.approx(paired.low), pytest.approx(paired.high))


def test_equal_results_have_no_spread_to_share():
    found = decompose(np.zeros((3, 10)))
    assert (found.difference, found.low, found.high, found.seed_share) == (0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    "differences", [np.zeros((1, 5)), np.zeros((5, 1)), np.zeros(5), np.array([[0.0, math.nan]] * 2)]
)
def test_what_cannot_be_decomposed_is_refused(differences):
    with pytest.raises(ValueError, match="two seeds"):
        decompose(differences)


def published(folder, rows, results, name="test/correct"):
    """A ledger whose runs kept the results, by (activation, seed): an array, or the bytes of a file."""
    (folder / "predictions").mkdir()
    for each in rows:
        content = results.get((each["act"], each["seed"]))
        file = folder / "predictions" / f"{each['run_id']}.npz"
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif content is not None:
            np.savez_compressed(file, **{name: content, "validation/correct": np.ones(3, bool)})
    return read_evidence(write(folder / "ledger.csv", rows))


def compared(evidence, metric="top1"):
    (setting,) = evidence.settings()
    return compare_examples(evidence, compare(evidence, setting, metric, "relu"), metric, "relu")


def runs(seeds=range(3), examples=200, **fields):
    """(rows, results) of relu and carelu with random correctness; carelu's is that of relu and ten examples more."""
    generator = np.random.default_rng(1)
    results = {}
    for seed in seeds:
        base = generator.random(examples) < 0.4
        better = base.copy()
        better[np.flatnonzero(~base)[:10]] = True
        results |= {("relu", seed): base, ("carelu", seed): better}
    rows = [row(act, seed, 100 * float(kept.mean()), **fields) for (act, seed), kept in results.items()]
    return rows, results


def test_correctness_is_compared_in_points_of_accuracy(tmp_path):
    rows, results = runs()
    found, problems = compared(published(tmp_path, rows, results))
    expected = np.array([100.0 * (results["carelu", seed].astype(int) - results["relu", seed]) for seed in range(3)])
    assert problems == ()
    assert found == {"carelu": decompose(expected)}
    assert (found["carelu"].seeds, found["carelu"].examples) == (3, 200)
    assert found["carelu"].difference == pytest.approx(5.0)


def test_the_psnr_of_images_is_compared_in_decibels(tmp_path):
    generator = np.random.default_rng(2)
    results = {
        (act, seed): generator.normal(31, 1, 14).astype(np.float32) for act in ("relu", "gelu") for seed in (0, 1)
    }
    rows = [row(act, seed, float(kept.mean()), "superres") for (act, seed), kept in results.items()]
    evidence = published(tmp_path, rows, results, "test/psnr_y")
    found, problems = compared(evidence, "psnr_y")
    expected = decompose(np.array([results["gelu", seed].astype(float) - results["relu", seed] for seed in (0, 1)]))
    assert (found, problems) == ({"gelu": expected}, ())
    assert compared(evidence, "ssim_y") == ({}, ())


@pytest.mark.parametrize(("away", "used"), [(0.02, True), (0.05, False)])
def test_decibels_may_be_a_thousandth_away_from_the_ledger(tmp_path, away, used):
    results = {(act, seed): np.full(14, 31.0) for act in ("relu", "gelu") for seed in (0, 1)}
    rows = [row(act, seed, 31.0 + away, "superres") for act, seed in results]
    found, problems = compared(published(tmp_path, rows, results, "test/psnr_y"), "psnr_y")
    assert (len(found), len(problems)) == ((1, 0) if used else (0, 4))


@pytest.mark.parametrize(("wrong", "used"), [(3, True), (4, False)])
def test_an_accuracy_may_be_three_examples_away_from_the_ledger(tmp_path, wrong, used):
    results = {(act, seed): np.arange(200) < 100 for act in ("relu", "gelu") for seed in (0, 1)}
    rows = [row(act, seed, 50.0 + wrong / 2) for act, seed in results]
    found, problems = compared(published(tmp_path, rows, results))
    assert (len(found), len(problems)) == ((1, 0) if used else (0, 4))


def test_predictions_of_run_directories_are_found_as_well(tmp_path):
    rows, results = runs()
    for each in rows:
        folder = tmp_path / f"cifar100/small/{each['act']}/s{each['seed']}-{each['config_hash']}"
        folder.mkdir(parents=True)
        np.savez_compressed(folder / "predictions.npz", **{"test/correct": results[each["act"], each["seed"]]})
    found, _ = compared(read_evidence(write(tmp_path / "ledger.csv", rows)))
    assert found["carelu"].seeds == 3


def test_only_seeds_of_which_both_have_predictions_are_compared(tmp_path):
    rows, results = runs(range(4))
    del results["relu", 1], results["carelu", 2]
    found, problems = compared(published(tmp_path, rows, results))
    assert (found["carelu"].seeds, problems) == (2, ())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is damaged"),
        (b"no archive", "is damaged"),
        (b"PK\x03\x04 the beginning of one", "is damaged"),
        (np.ones(199, bool), "199 examples, those of the others of 200"),
        (np.ones((200, 2), bool), "not one finite number an example"),
        (np.full(200, np.nan), "not one finite number an example"),
        (np.array(["right"] * 200), "not one finite number an example"),
        (np.zeros(200, bool), "have the mean 0, and the ledger has"),
    ],
)
def test_a_file_that_is_damaged_or_does_not_fit_is_named_and_the_others_are_used(tmp_path, content, named):
    rows, results = runs()
    if isinstance(content, np.ndarray) and len(content) == 199:
        rows[2]["top1"] = rows[2]["headline_value"] = 100.0
    results["relu", 1] = content
    found, (problem,) = compared(published(tmp_path, rows, results))
    assert named in problem and rows[2]["run_id"] in problem
    assert found["carelu"].seeds == 2


def test_two_examples_are_enough_to_compare(tmp_path):
    results = {(act, seed): np.array([True, act == "gelu"]) for act in ("relu", "gelu") for seed in (0, 1)}
    rows = [row(act, seed, 100 * float(kept.mean())) for (act, seed), kept in results.items()]
    found, problems = compared(published(tmp_path, rows, results))
    assert (found["gelu"].examples, found["gelu"].difference, problems) == (2, 50.0, ())


def test_without_predictions_or_with_a_divergence_nothing_is_said(tmp_path):
    rows, results = runs()
    (tmp_path / "none").mkdir()
    assert compared(published(tmp_path / "none", rows, {})) == ({}, ())
    (tmp_path / "diverged").mkdir()
    rows.append(row("relu", 9, status="diverged"))
    assert compared(published(tmp_path / "diverged", rows, results)) == ({}, ())


COVERED = [case for case in CASES if "skewed" not in case.name or case.examples >= 100]


@pytest.mark.slow
@pytest.mark.parametrize("case", COVERED, ids=lambda case: f"{case.name}, {case.seeds} seeds, {case.examples}")
def test_the_interval_covers_at_the_stated_rate_for_new_seeds_and_a_new_test_set(case):
    samples = 3000
    held, *_ = coverage(case, samples, start=100)
    assert held >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / samples)

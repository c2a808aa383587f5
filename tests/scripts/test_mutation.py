"""The page on mutation testing: what is drawn, how survivors are told apart, and what the page may say."""

import pytest

from scripts.mutation import EXPLAINED, ROOT, change_of, near, sample
from scripts.mutation_page import Change, Mutant, interval, page, read_explanations

DIFF = """\
--- a/verdict.py
+++ b/verdict.py
@@ -1,4 +1,4 @@
 def half_width(n: int) -> float:
-    if n < 2:
+    if n <= 2:
         return math.inf
"""

CHANGE = Change("experiments/analysis/verdict.py", "half_width", "if n < 2:", "if n <= 2:")


def test_a_sample_is_the_same_for_the_same_seed_and_a_larger_one_contains_it():
    names = [f"mutant {number}" for number in range(50)]
    few = sample(names, 0.21, seed=1)
    assert len(few) == 11 and few == sample(reversed(names), 0.21, seed=1)
    assert few != sample(names, 0.21, seed=2)
    assert few < sample(names, 0.5, seed=1) and sample(names, 1.0, seed=1) == set(names)


def test_the_interval_is_that_of_wilson():
    assert interval(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # statsmodels, proportion_confint
    assert interval(10, 10)[1] == pytest.approx(1)


def test_near_tests_lie_in_the_mirrored_folder_and_the_fastest_come_first():
    durations = {"tests/experiments/record/test_row.py::b": 0.1, "tests/experiments/record/test_row.py::a": 0.2}
    others = ["tests/experiments/analysis/test_numbers.py::c", "tests/experiments/recorded/test_row.py::d"]
    assert near([*others, *sorted(durations)], "experiments/record/row.py", durations) == list(durations)


def test_a_change_is_known_by_file_function_and_lines():
    name = "experiments.analysis.verdict.x_half_width__mutmut_1"
    assert change_of("experiments/analysis/verdict.py", name, DIFF) == CHANGE
    method = "experiments.training.engine.xǁEngineǁ_log__mutmut_2"
    assert change_of("experiments/training/engine.py", method, DIFF).function == "Engine._log"


def explanations(tmp_path, *reasons):
    entry = (
        'file = "experiments/analysis/verdict.py"\nfunction = "half_width"\nbefore = "if n < 2:"\nafter = "if n <= 2:"'
    )
    file = tmp_path / "explained.toml"
    file.write_text("\n".join(f'[[survivor]]\n{entry}\nwhy = "{reason}"' for reason in reasons))
    return read_explanations(file)


def test_an_explanation_needs_a_reason_and_is_given_once(tmp_path):
    assert explanations(tmp_path, "two pairs bound nothing") == {CHANGE: "two pairs bound nothing"}
    for wrong in ([" "], ["one reason", "another"]):
        with pytest.raises(ValueError, match="half_width"):
            explanations(tmp_path, *wrong)


MUTANTS = [
    Mutant("a", "a.py", "killed"),
    Mutant("b", "a.py", "timeout"),
    Mutant("c", CHANGE.file, "survived", CHANGE),
    Mutant("d", CHANGE.file, "no tests", Change(CHANGE.file, "judge", "return 1", "return 2")),
]


def test_the_page_counts_every_survivor_and_names_those_without_an_explanation():
    text = page(MUTANTS, {CHANGE: "two pairs bound nothing"}, {}, 1.0, 0, "python scripts/mutation.py")
    assert "**2 of 4 mutants are killed: 50.0%.** Every mutant was run" in text and "interval" not in text
    assert f"| `{CHANGE.file}` | 2 | 0 | 2 | 1 | 0.0% |" in text and "| `a.py` | 2 | 2 | 0 | 0 | 100.0% |" in text
    explained, unexplained = text.partition("## Explained survivors")[2].split("## Survivors without an explanation")
    assert "`half_width`: `` n < 2: `` → `` n <= 2: ``: two pairs bound nothing" in explained
    assert "`judge`: `` return 1 `` → `` return 2 ``" in unexplained


def test_the_page_of_a_sample_estimates_all_mutants_by_how_it_went_at_first():
    first = {"a": True, "b": False, "c": False, "d": False, "of another sample": True}
    text = page(MUTANTS, {}, first, 0.2, 7, "python scripts/mutation.py --share 0.2 --seed 7")
    assert "**2 of 4 mutants are killed: 50.0%.**" in text and "sample of 20%" in text and "seed 7" in text
    assert "1 were killed: 25.0%, 95 % interval 4.6% to 69.9%" in text
    del first["d"]
    assert "interval" not in page(MUTANTS, {}, first, 0.2, 7, "")


def test_what_has_not_been_run_is_left_out_and_counted_by_file():
    text = page([*MUTANTS, *[Mutant(name, "a.py", "not checked") for name in "ef"]], {}, {}, 0.2, 7, "")
    assert "**2 of 4 mutants are killed: 50.0%.**" in text and "| `a.py` | 2 | 2 |" in text
    assert "**2 further mutants of the sample were not run and are left out:** 2 of `a.py`." in text


def test_every_explanation_of_the_checkout_is_of_a_file_that_is_mutated():
    for change in read_explanations(EXPLAINED):
        assert (ROOT / change.file).is_file() and change.before in " ".join((ROOT / change.file).read_text().split())

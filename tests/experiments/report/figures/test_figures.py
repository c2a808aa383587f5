"""The figures of a ledger: which there are, what they say, and that the same ledger gives the same bytes."""

import io
import json
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.report.figures import make_figures, write_figures
from tests.conftest import ROOT
from tests.experiments.ledgers import grid, row, write
from tests.experiments.simulated import write_metrics, write_picture

OF_A_SETTING = ["differences", "curves", "quality_against_cost"]


def by_name(figures):
    return {figure.name: figure for figure in figures}


def drawn(file, rows, **options):
    return by_name(make_figures(read_evidence(write(file, rows)), **options))


def test_each_setting_has_its_figures_and_the_ledger_has_two(figures):
    learned = ["learned_carelu", "learned_prelu"]
    assert [figure.name for figure in figures] == [
        *(f"cifar100_small_{kind}" for kind in [*OF_A_SETTING, *learned]),
        *(f"superres_small_{kind}" for kind in [*OF_A_SETTING, "strips", *learned]),
        "across_tasks_critical_difference",
        "responses",
    ]


def test_the_files_are_an_svg_without_text_and_date_and_a_png(figures, tmp_path):
    files = write_figures(figures, tmp_path / "figures")
    assert {file.name for file in files} == {file.name for file in (tmp_path / "figures").iterdir()}
    for file in files:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert min(picture.size) > 200
                assert not picture.info.keys() & {"Software", "Creation Time"}
        else:
            root = ElementTree.fromstring(file.read_bytes())
            assert root.find(".//{http://www.w3.org/2000/svg}text") is None  # letters are outlines
            assert "date" not in file.read_text().lower()


def test_the_same_ledger_gives_the_same_bytes(evidence, figures, tmp_path):
    """In another process, where no cache and no order of sets is the same."""
    command = [sys.executable, ROOT / "scripts" / "make_figures.py", "--ledger", evidence.file, "--out", tmp_path]
    subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}, check=True)
    again = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert again == {f"{figure.name}.{suffix}": content for figure in figures for suffix, content in figure.files()}


def test_the_words_of_the_figures_hold_the_numbers_of_the_ledger(tmp_path):
    rows = [row("relu", seed, 40.0 + seed) for seed in range(3)]
    rows += [row("gelu", seed, 41.0 + seed + 0.1 * seed, step_milliseconds=480.0 + 2 * seed) for seed in range(3)]
    rows = [{**each, "step_milliseconds": 240.0 + each["seed"]} if each["act"] == "relu" else each for each in rows]
    figures = drawn(tmp_path / "ledger.csv", rows)
    assert "gelu +1.10 points" in figures["cifar100_small_differences"].alt
    assert "n = 3, stands" in figures["cifar100_small_differences"].alt
    assert "relu 41.00 at 1.00, gelu 42.10 at 2.00" in figures["cifar100_small_quality_against_cost"].alt


def test_one_seed_claims_nothing(tmp_path):
    rows = grid(("relu", "carelu"), (0,))
    for each in rows:
        write_metrics(tmp_path, each)
    figures = drawn(tmp_path / "ledger.csv", rows)
    assert "n = 1: no claim" in figures["cifar100_small_differences"].alt
    assert "Single runs." in figures["cifar100_small_curves"].caption
    assert "One seed." in figures["cifar100_small_learned_carelu"].caption


def test_runs_that_did_not_finish_are_told_and_seeds_that_are_not_shared(tmp_path):
    rows = grid(("relu", "gelu"), range(4))
    rows[-1] = row("gelu", 3, status="diverged")
    caption = drawn(tmp_path / "ledger.csv", rows)["cifar100_small_differences"].caption
    assert "3 pairs of 3 (gelu) and 4 (relu) seeds" in caption
    assert "1 of 4 runs diverged" in caption


def test_curves_use_the_runs_that_left_metrics_and_the_others_are_named(tmp_path):
    rows = grid(("relu", "gelu"), range(3))
    for each in rows[:4]:  # two seeds of both
        write_metrics(tmp_path, each)
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert "(n: 2)" in by_name(make_figures(evidence))["cifar100_small_curves"].caption
    assert [sentence.split()[0] for sentence in evidence.without_metrics()] == [each["run_id"] for each in rows[4:]]


def test_a_ledger_alone_has_figures_too(tmp_path):
    assert list(drawn(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(2)))) == [
        "cifar100_small_differences",
        "cifar100_small_quality_against_cost",
        "responses",
    ]


def test_learned_values_are_means_over_seeds_by_layer(figures):
    alt = by_name(figures)["superres_small_learned_prelu"].alt
    assert "2 layers" in alt
    assert re.search(r"slope for z < 0 .* from 0\.16 to 0\.25", alt)  # 0.25 − 0.2 · ½ · (1 − ½⁴) and 0.25


def test_settings_of_one_task_and_recipe_have_names_of_their_own(tmp_path):
    rows = [*grid(("relu", "gelu"), (0, 1), data="sst2-dev"), *grid(("relu", "gelu"), (0, 1), data='x(sets=["a"])')]
    names = drawn(tmp_path / "ledger.csv", rows)
    assert {"cifar100_small_sst2-dev_differences", "cifar100_small_x-sets=-a_differences"} <= names.keys()


def test_every_label_of_an_activation_can_be_drawn(tmp_path):
    acts = ["relu", *(f"carelu(gain={gain}, competition_input=pre_norm)" for gain in range(2, 14)), "unknown_here"]
    figures = drawn(tmp_path / "ledger.csv", grid(acts, range(2), ("cifar100", "text")))
    assert "unknown_here" in figures["across_tasks_critical_difference"].alt


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "several recipes.*--recipe each"),
        ({"recipe": "large"}, "unknown recipe 'large'"),
        ({"recipe": "small", "baseline": "tanh"}, "no run of the baseline 'tanh'.*gelu .*relu .*--baseline"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, options, answer):
    rows = [*grid(("relu", "gelu"), (0, 1)), *grid(("relu", "gelu"), (0, 1), recipe="fast")]
    with pytest.raises(BadInput, match=answer):
        drawn(tmp_path / "ledger.csv", rows, **options)


def test_each_recipe_has_figures_of_its_own(tmp_path):
    tasks = ("cifar100", "text")
    rows = [each for recipe in ("small", "fast") for each in grid(("relu", "gelu"), (0, 1), tasks, recipe=recipe)]
    names = drawn(tmp_path / "ledger.csv", rows, recipe="each")
    assert {"cifar100_small_differences", "cifar100_fast_differences"} <= names.keys()
    assert {f"across_tasks_critical_difference_{recipe}" for recipe in ("small", "fast")} <= names.keys()


@pytest.mark.parametrize(
    ("line", "answer"), [("{", "line 6 is damaged"), (json.dumps({"step": 1}), "line 6 is damaged")]
)
def test_damaged_metrics_are_named(tmp_path, line, answer):
    rows = grid(("relu", "gelu"), (0,))
    write_metrics(tmp_path, rows[0])
    with (tmp_path / "metrics" / f"{rows[0]['run_id']}.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BadInput, match=answer):
        drawn(tmp_path / "ledger.csv", rows)


def test_pictures_that_are_cut_alike_make_one_sheet(figures):
    strip = by_name(figures)["superres_small_strips"]
    assert "the original, bicubic, relu, carelu, prelu; seed 0" in strip.caption
    with Image.open(io.BytesIO(strip.png)) as sheet:
        assert sheet.width == (3 * 492 + 12) // 2  # three columns at half size


def test_pictures_of_different_images_are_shown_one_below_the_other(tmp_path):
    rows = grid(("relu", "gelu"), (0,), ("superres",))
    write_picture(tmp_path, rows[0])
    write_picture(tmp_path, rows[1], size=(40, 48))
    strip = drawn(tmp_path / "ledger.csv", rows)["superres_small_strips"]
    assert "Each run's own picture" in strip.caption
    with Image.open(io.BytesIO(strip.png)) as sheet:
        assert sheet.height > sheet.width


def test_the_command_answers_a_mistake_in_one_line(tmp_path):
    shutil.copy(ROOT / "README.md", tmp_path / "ledger.csv")
    command = [sys.executable, ROOT / "scripts" / "make_figures.py", "--ledger", tmp_path / "ledger.csv"]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "is not a ledger" in done.stderr
    assert "Traceback" not in done.stderr

"""A ledger's comparison in W&B, read back from what a real offline run wrote."""

import hashlib
import runpy
import sys

import pytest
from omegaconf import OmegaConf
from PIL import Image

from experiments.analysis.evidence import read_evidence
from experiments.analysis.verdict import judge
from experiments.record.wandb_run import destination
from experiments.report.tables import EACH, build_tables
from experiments.report.wandb_comparison import log_comparison, rows_for_wandb, write_comparison
from tests.conftest import ROOT
from tests.experiments.ledgers import grid, row, tables_of, write
from tests.wandb_files import offline_runs

pytestmark = pytest.mark.usefixtures("no_login")

OFFLINE = destination(mode="offline")


@pytest.fixture
def ledger(tmp_path):
    """Two activations × three seeds on two tasks, one of them diverged once."""
    rows = grid(["relu", "carelu"], range(3), ("cifar100", "text"), effects={"carelu": 3.0})
    rows[-1].update(status="diverged", headline_value=None, accuracy=None)
    return write(tmp_path / "study" / "ledger.csv", rows)


@pytest.fixture
def figures(tmp_path):
    """Two figures as PNG, one of them also as SVG."""
    folder = tmp_path / "figures"
    folder.mkdir()
    for name, colour in (("curves_cifar100", "orange"), ("cost", "blue")):
        Image.new("RGB", (3, 2), colour).save(folder / f"{name}.png")
    (folder / "cost.svg").write_text("<svg/>")
    return folder


def written(folder):
    (only,) = offline_runs(folder)
    return only


def test_the_comparison_holds_every_table_and_figure(ledger, figures, tmp_path):
    place = write_comparison(ledger, OFFLINE, tmp_path, figures)
    comparison = written(tmp_path)
    assert place == str(comparison.folder)
    for table in build_tables(read_evidence(ledger)):
        assert comparison.table(f"tables/{table.name}") == list(table.records())
    shown = {key for key in comparison.summary if key.startswith(("tables/", "figures/"))}
    assert shown == {
        "tables/cifar100",
        "tables/text",
        "tables/across_tasks",
        "tables/cost",
        "tables/time_to_verdict",
    } | {
        "figures/curves_cifar100",
        "figures/cost",
    }
    with Image.open(comparison.file(comparison.summary["figures/cost"])) as picture:
        assert picture.getpixel((0, 0)) == (0, 0, 255)


def test_the_rows_hold_the_verdict(tmp_path):
    rows = [row("relu", seed, 40.0) for seed in range(4)]
    rows += [row("carelu", seed, 41.0 + 0.1 * (-1) ** seed) for seed in range(4)]
    relu, carelu = rows_for_wandb(tables_of(tmp_path / "ledger.csv", rows)["cifar100"])
    assert (relu["verdict"], carelu["verdict"]) == (None, "better")
    verdict = judge([1.1, 0.9, 1.1, 0.9], 0.5)
    assert (carelu["verdict_low"], carelu["verdict_high"]) == pytest.approx((verdict.low, verdict.high))


def test_the_comparison_says_what_the_page_says_about_any_subject_and_has_the_activity(figures, tmp_path):
    rows = grid(["relu", "gelu", "mine"], range(5), effects={"mine": 30.0})
    rows = [{**each, "response_distance": 0.004} if each["act"] == "mine" else each for each in rows]
    ledger = write(tmp_path / "study" / "ledger.csv", rows)
    write_comparison(ledger, OFFLINE, tmp_path, figures, subject=("mine",))
    comparison = written(tmp_path)
    assert comparison.config["subjects"] == ["mine"] and comparison.config["baseline"] == "relu"
    assert comparison.config["summary"].startswith("mine is better than ReLU. All 2 comparisons")
    (sentence,) = comparison.config["findings"]
    assert sentence.startswith("mine vs ReLU") and sentence.endswith("layers acted as ReLU.")
    assert comparison.config["command"].endswith("--subject mine")
    by_act = {each["activation"]: each for each in comparison.table("tables/cifar100")}
    assert by_act["mine"]["response_distance"] == 0.004 and by_act["gelu"]["response_distance"] is None
    assert (by_act["mine"]["verdict"], by_act["relu"]["verdict"]) == ("better", None)
    texts = str([comparison.config["tables"], comparison.config["summary"], comparison.config["findings"]])
    assert "CAReLU" not in texts


def test_the_findings_are_of_the_recipe_that_the_tables_show(ledger, figures, tmp_path):
    write(ledger, [*grid(["relu", "gelu"], range(2)), *grid(["relu", "elu"], range(2), recipe="fast")])
    write_comparison(ledger, OFFLINE, tmp_path, figures, recipe="fast")
    (sentence,) = written(tmp_path).config["findings"]
    assert sentence.startswith("ELU vs ReLU")


def test_a_table_opens_with_the_activation(ledger, figures, tmp_path):
    write_comparison(ledger, OFFLINE, tmp_path, figures)
    (relu, carelu) = written(tmp_path).table("tables/cifar100")
    assert (next(iter(relu.values())), next(iter(carelu.values()))) == ("relu", "carelu")


def test_the_comparison_names_its_ledger_and_runs(ledger, figures, tmp_path):
    write_comparison(ledger, OFFLINE, tmp_path, figures)
    comparison = written(tmp_path)
    assert comparison.run.job_type == "comparison"
    assert comparison.run.run_group == "study/small"
    assert comparison.config["ledger_sha256"] == hashlib.sha256(ledger.read_bytes()).hexdigest()
    assert comparison.config["runs_by_status"] == {"finished": 11, "diverged": 1}
    assert comparison.config["commits"] == ["b3d14228b011c9fc7310c9cbfe60ce730885aa66"]
    assert comparison.config["settings"][0]["model"] == "resnet18-w16"
    assert "scripts/make_tables.py" in comparison.config["command"]
    assert "top-1 accuracy" in comparison.config["tables"]["cifar100"]["title"]


def test_a_grown_ledger_updates_the_same_wandb_run(ledger, figures, tmp_path):
    ids = []
    for seeds in (range(3), range(4)):
        write(ledger, grid(["relu", "carelu"], seeds))
        write_comparison(ledger, OFFLINE, tmp_path, figures)
        comparison = written(tmp_path)
        ids.append(comparison.run.run_id)
        assert comparison.config["runs"] == 2 * len(seeds)
    assert ids[0] == ids[1]
    write_comparison(ledger, OFFLINE, tmp_path, figures, suite="another")
    assert len({run.run.run_id for run in offline_runs(tmp_path)}) == 2


def test_several_recipes_are_set_side_by_side(ledger, figures, tmp_path):
    rows = [*grid(["relu", "carelu"], range(2)), *grid(["relu", "carelu"], range(2), recipe="fast")]
    write(ledger, rows)
    write_comparison(ledger, OFFLINE, tmp_path, figures)
    comparison = written(tmp_path)
    names = {f"tables/{table.name}" for table in build_tables(read_evidence(ledger), recipe=EACH)}
    assert {key for key in comparison.summary if key.startswith("tables/")} == names
    assert comparison.run.run_group == "study/several recipes"


def test_a_recipe_without_baseline_does_not_stop_the_others(ledger, figures, tmp_path):
    write(ledger, [*grid(["relu", "carelu"], range(2)), *grid(["carelu"], range(1), recipe="fast")])
    write_comparison(ledger, OFFLINE, tmp_path, figures)
    comparison = written(tmp_path)
    assert comparison.config["problems"] == ["recipe fast is left out: it has no run of the baseline relu"]
    assert comparison.config["runs"] == 4
    assert "tables/cifar100" in comparison.summary


@pytest.mark.slow
def test_the_end_of_a_sweep_says_where_the_comparison_is(ledger):
    said = []
    log_comparison(ledger, OFFLINE, said.append)
    assert said == [f"comparison in W&B: {written(ledger.parent).folder}"]
    assert any(key.startswith("figures/") for key in written(ledger.parent).summary)


def test_a_sweep_without_wandb_says_nothing(ledger):
    said = []
    log_comparison(ledger, OmegaConf.create({"name": "none"}), said.append)
    assert (said, offline_runs(ledger.parent)) == ([], [])


@pytest.mark.parametrize(
    ("rows", "mode", "reason"),
    [
        (None, "offline", "there is no ledger"),
        (grid(["carelu"], [0]), "offline", "no run of the baseline 'relu'"),
        (grid(["relu"], [0]), "online", "needs `wandb login`"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_one_line_and_fails_no_sweep(tmp_path, rows, mode, reason):
    said = []
    ledger = tmp_path / "ledger.csv"
    if rows:
        write(ledger, rows)
    log_comparison(ledger, destination(mode=mode), said.append)
    (note,) = said
    assert note.startswith("note: no comparison in W&B")
    assert reason in note
    assert "\n" not in note


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--ledger", "nowhere.csv"], "error: there is no ledger nowhere.csv"),
        (["--baseline", "gelu"], "error: no run of the baseline 'gelu'"),
        (["--subject", "gelu"], "error: unknown --subject 'gelu'"),
        (["--figures", "empty"], "error: empty holds no PNG file"),
        (["--mode", "online"], "error: online mode needs `wandb login`"),
        (["--mode", "never"], "invalid choice: 'never'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(ledger, monkeypatch, capsys, arguments, answer):
    monkeypatch.chdir(ledger.parent)
    monkeypatch.setattr(sys, "argv", ["log_comparison.py", "--ledger", "ledger.csv", *arguments])
    main = runpy.run_path(str(ROOT / "scripts" / "log_comparison.py"))["main"]
    try:
        returncode = main()
    except SystemExit as exit:
        returncode = exit.code
    assert returncode == 2
    assert answer in capsys.readouterr().err


def test_the_script_says_where_the_comparison_is(ledger, figures, monkeypatch, capsys, tmp_path):
    arguments = ["--ledger", ledger, "--figures", figures, "--output-root", tmp_path / "out", "--mode", "offline"]
    monkeypatch.setattr(sys, "argv", ["log_comparison.py", *map(str, arguments)])
    assert runpy.run_path(str(ROOT / "scripts" / "log_comparison.py"))["main"]() == 0
    assert capsys.readouterr().out.strip() == str(written(tmp_path / "out").folder)

"""Notes below a comparison."""

from dataclasses import replace

from experiments.analysis.comparison import compare
from experiments.analysis.evidence import read_evidence
from experiments.record.reproduced import Reproduced, add
from experiments.report.remarks import remarks, repetitions
from tests.experiments.ledgers import grid, row, write


def remarks_of(file, rows, metric="top1", baseline="relu"):
    evidence = read_evidence(write(file, rows))
    (setting,) = evidence.settings()
    return remarks(compare(evidence, setting, metric, baseline), baseline, metric)


def test_equal_finished_seeds_need_no_remark(tmp_path):
    assert remarks_of(tmp_path / "ledger.csv", grid(["relu", "gelu"], range(3))) == ()


def test_single_seeds_are_named_where_others_have_more(tmp_path):
    rows = [*grid(["relu", "gelu"], range(3)), row("elu", 0)]
    assert remarks_of(tmp_path / "ledger.csv", rows)[0] == "One seed for ELU: no interval, no test."


def test_a_divergence_of_the_baseline_is_reported_with_its_consequence(tmp_path):
    rows = [*grid(["relu", "gelu"], range(3)), row("relu", 3, status="diverged"), row("gelu", 3, status="failed")]
    said = remarks_of(tmp_path / "ledger.csv", rows)
    (diverged,) = (note for note in said if note.startswith("ReLU: 1 of 4 runs diverged (seed 3)"))
    assert diverged.endswith("so there is no verdict.")
    assert "GELU: 1 of 4 runs failed (seed 3)." in said


def test_a_metric_without_a_margin_is_named(tmp_path):
    rows = [{**each, "top5": each["top1"] + 20} for each in grid(["relu", "gelu"], range(3))]
    (note,) = remarks_of(tmp_path / "ledger.csv", rows, "top5")
    assert note.startswith("No verdict on top-5 accuracy: only the headline")


def test_bicubic_is_reported_if_it_is_equal_in_all_runs(tmp_path):
    rows = grid(["relu", "gelu"], range(2), ["superres"], bicubic_psnr_y=29.5)
    reference = "Bicubic interpolation of the same images: 29.500 dB."
    assert remarks_of(tmp_path / "ledger.csv", rows, "psnr_y") == (reference,)
    rows[0]["bicubic_psnr_y"] = 28.0
    assert remarks_of(tmp_path / "ledger.csv", rows, "psnr_y") == ()


def test_unlike_runs_are_named_with_the_pairs_that_they_cost(tmp_path):
    rows = grid(["relu", "gelu"], range(3))
    rows[-1]["torch"] = "2.12.0"
    said = " ".join(remarks_of(tmp_path / "ledger.csv", rows))
    assert "The runs differ in PyTorch: 2.11.0 (5 runs), 2.12.0 (1 run)." in said
    assert "GELU: no pair at seed 2" in said
    for each in rows:
        each["torch"] = "2.12.0"
    assert remarks_of(tmp_path / "ledger.csv", rows) == ()


def test_runs_that_were_made_again_are_counted_and_a_difference_is_named(tmp_path):
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(["relu", "gelu"], range(2))))
    file, runs = evidence.file, evidence.runs
    assert repetitions(file, runs) == ()
    made = Reproduced(runs[0].run_id, runs[0].finished_at, True, "", 9, "", "c0de", False, "now")
    add(file, made)
    (said,) = repetitions(file, runs)
    assert said.endswith("1 of the 4 runs; 1 equal to the last bit.")
    add(file, replace(made, run_id=runs[1].run_id, equal=False, differs_in="loss top1"))
    add(file, replace(made, run_id=runs[2].run_id, finished_at="of a row that another run replaced"))
    (said,) = repetitions(file, runs)
    assert said.endswith(f"2 of the 4 runs; 1 equal to the last bit; different: {runs[1].run_id} in loss, top1.")
    (tmp_path / "reproduced.csv").write_text("x")
    assert repetitions(file, runs)[0].startswith("Warning: ")

"""The command lines of the benchmarks: answered at once where they ask for help or for what cannot be."""

import multiprocessing
import os
import runpy
import subprocess
import sys

import pytest
import torch

from experiments.benchmarking import comparisons, workers
from experiments.benchmarking.options import BENCHMARKS, TASKS, find_device
from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import PADDED, TORCHVISION, spec_of
from experiments.errors import BadInput
from tests.conftest import ROOT


def script_of(name):
    return str(ROOT / "scripts" / f"benchmark_{name}.py")


@pytest.fixture
def start(monkeypatch, capsys):
    """Performs a script in this process: (its exit code, what it printed, what it complained of)."""

    def performed(name, *arguments):
        monkeypatch.setattr("sys.argv", [script_of(name), *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(script_of(name), run_name="__main__")
        return end.value.code, *capsys.readouterr()

    return performed


def test_the_tasks_are_those_whose_spec_says_how_to_measure_them():
    assert set(TASKS) == {task for task in options_of("task") if spec_of(task).benchmark}
    assert TASKS == BENCHMARKS["start-up"] == BENCHMARKS["activations"]
    assert {spec_of(task).benchmark.reference_loop for task in BENCHMARKS["reference_loop"]} == {TORCHVISION, PADDED}
    assert [spec_of(task).benchmark.reference_loop for task in BENCHMARKS["augmentation"]] == [TORCHVISION]


def test_a_device_that_is_not_here_is_answered_with_those_that_are():
    with pytest.raises(BadInput, match=r"^--device=tpu is not available .*accepted here: auto, cpu"):
        find_device("tpu")
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["activations", "training"])
def test_help_does_not_wait_for_torch(name):
    command = [sys.executable, "-X", "importtime", script_of(name), "--help"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--rounds" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "argparse" in imported and "torch" not in imported


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["activations", "--activations", "rulu"], "error: unknown activation 'rulu'; did you mean relu"),
        (["activations", "--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
        (["activations", "--network", "vgg"], "argument --network: invalid choice: 'vgg'"),
        (["training", "--activations", "rulu"], "error: unknown act 'rulu'; did you mean relu"),
        (["training", "--set", "trainer.batch_size=-1"], "error: trainer.batch_size=-1 is not accepted"),
        (["training", "--rounds", "0"], "argument --rounds: 0 is not accepted; accepted: a whole number from 1 on"),
        (
            ["training", "--task", "superres", "--benchmark", "reference_loop"],
            "error: --benchmark reference_loop has nothing to measure for --task superres; accepted: reference_loop of",
        ),
        (["training", "--out", "/dev/null/here"], "error: --out=/dev/null/here cannot be written"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_code_2(start, arguments, answer, tmp_path):
    out = [] if "--out" in arguments else ["--out", tmp_path]
    code, _, complained = start(*arguments, *out)
    assert code == 2
    [line] = [line for line in complained.splitlines() if "error:" in line]
    assert answer in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_activations_are_measured_and_page_and_figure_can_be_rendered_again(start, tmp_path):
    arguments = ["--network", "bilstm", "--dtype", "float32", "--pass", "forward", "--rounds", "1", "--out", tmp_path]
    code, _, complained = start("activations", "--activations", "relu", "carelu", *arguments)
    assert code == 0, complained
    made = sorted(tmp_path.iterdir())
    assert [file.suffix for file in made] == [".csv", ".json", ".md", ".pdf", ".png", ".svg"]
    before = [file.read_bytes() for file in made]
    for file in made[2:]:
        file.unlink()
    assert start("activations", "--render", made[0])[0] == 0
    assert [file.read_bytes() for file in made] == before


@pytest.fixture
def forked_workers(monkeypatch):
    """Processes that are measured are copies of this one; test_workers.py has the fresh ones.

    A copy has the parent's end of its pipe as well, so that it never finds it closed and is not waited for.
    """
    usual = multiprocessing.get_context
    monkeypatch.setattr(workers, "_GRACE", 0.1)
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: usual("fork"))


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers", "few_photographs")
def test_an_activation_that_a_model_cannot_take_is_left_out_of_its_training(start, tmp_path):
    arguments = ["--benchmark", "activations", "--task", "superres", "--rounds", "1", "--steps", "1"]
    arguments += ["--out", tmp_path / "out"]
    arguments += [
        word for setting in ("model.blocks=1", "model.features=4", "task.patch=8") for word in ("--set", setting)
    ]
    pre_norm = "carelu act.options.competition_input=pre_norm"
    code, _, complained = start("training", *arguments, "--activations", pre_norm, "relu")
    assert code == 0, complained
    assert "left out: model=edsr-1x4 with act=carelu cannot be built" in complained
    [table] = (tmp_path / "out").glob("*.csv")
    [_, row] = table.read_text().splitlines()
    assert ",relu,suite,relu,patches,1," in row
    page = table.with_suffix(".md").read_bytes()
    table.with_suffix(".md").unlink()
    assert start("training", "--render", table)[0] == 0
    assert table.with_suffix(".md").read_bytes() == page


@pytest.mark.slow
def test_where_nothing_can_be_measured_there_is_no_table(start, monkeypatch, tmp_path):
    monkeypatch.setattr(comparisons, "compare_activations", lambda *_, **__: iter(()))
    code, _, complained = start("training", "--benchmark", "activations", "--task", "cifar100", "--out", tmp_path)
    assert (code, complained) == (2, "error: nothing could be measured; the lines above say why\n")
    assert list(tmp_path.iterdir()) == []


def test_data_under_data_root_are_used_where_they_are(tmp_path):
    (tmp_path / "snli").mkdir()
    (tmp_path / "snli" / "train-subset.parquet").touch()
    data = runpy.run_path(str(ROOT / "scripts" / "benchmark_training.py"))["_data"]
    assert data("text", tmp_path) == ["data=snli_subset", f"data.root={tmp_path}/snli", "data.download=false"]
    assert data("cifar100", tmp_path) == data("text", None) == ["data=sample"]

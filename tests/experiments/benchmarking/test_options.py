"""The command lines of the benchmarks: answered at once where they ask for help or for what cannot be."""

import os
import runpy
import subprocess
import sys

import pytest
import torch

from experiments.benchmarking.options import BENCHMARKS, TASKS, find_device
from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import PADDED, TORCHVISION, spec_of
from experiments.errors import BadInput
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

START = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("torch" in sys.modules)
"""


def start(name, *arguments):
    """The ended process of a script, whose last line of output says whether it has imported torch."""
    script = str(ROOT / "scripts" / f"benchmark_{name}.py")
    command = [sys.executable, "-c", START, script, *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_the_tasks_are_those_whose_spec_says_how_to_measure_them():
    assert set(TASKS) == {task for task in options_of("task") if spec_of(task).benchmark}
    assert TASKS == BENCHMARKS["start-up"] == BENCHMARKS["activations"]
    assert {spec_of(task).benchmark.reference_loop for task in BENCHMARKS["reference_loop"]} == {TORCHVISION, PADDED}
    assert [spec_of(task).benchmark.reference_loop for task in BENCHMARKS["augmentation"]] == [TORCHVISION]


def test_a_device_that_is_not_here_is_answered_with_those_that_are():
    with pytest.raises(BadInput, match=r"^--device=tpu is not available .*accepted here: auto, cpu"):
        find_device("tpu")
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["activations", "training"])
def test_help_does_not_wait_for_torch(name):
    done = start(name, "--help")
    assert done.returncode == 0
    assert "--rounds" in done.stdout
    assert done.stdout.endswith("False\n")


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
def test_a_mistake_is_answered_in_one_line_with_code_2(arguments, answer, tmp_path):
    out = [] if "--out" in arguments else ["--out", tmp_path]
    done = start(*arguments, *out)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if "error:" in line]
    assert answer in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_activations_are_measured_and_page_and_figure_can_be_rendered_again(tmp_path):
    arguments = ["--network", "bilstm", "--dtype", "float32", "--pass", "forward", "--rounds", "1", "--out", tmp_path]
    done = start("activations", "--activations", "relu", "carelu", *arguments)
    assert done.returncode == 0, done.stderr
    made = sorted(tmp_path.iterdir())
    assert [file.suffix for file in made] == [".csv", ".json", ".md", ".pdf", ".png", ".svg"]
    before = [file.read_bytes() for file in made]
    for file in made[2:]:
        file.unlink()
    assert start("activations", "--render", made[0]).returncode == 0
    assert [file.read_bytes() for file in made] == before


@pytest.mark.slow
def test_an_activation_that_a_model_cannot_take_is_left_out_of_its_training(tmp_path):
    arguments = ["--benchmark", "activations", "--task", "superres", "--rounds", "1", "--steps", "1", "--out", tmp_path]
    pre_norm = "carelu act.options.competition_input=pre_norm"
    done = start("training", *arguments, "--activations", pre_norm)
    assert done.returncode == 2
    assert "left out: model=edsr-4x32 with act=carelu cannot be built" in done.stderr
    assert "error: nothing could be measured" in done.stderr
    done = start("training", *arguments, "--activations", pre_norm, "relu")
    assert done.returncode == 0, done.stderr
    [table] = tmp_path.glob("*.csv")
    [_, row] = table.read_text().splitlines()
    assert ",relu,suite,relu,patches,1," in row
    page = table.with_suffix(".md").read_bytes()
    table.with_suffix(".md").unlink()
    assert start("training", "--render", table).returncode == 0
    assert table.with_suffix(".md").read_bytes() == page


def test_data_under_data_root_are_used_where_they_are(tmp_path):
    (tmp_path / "snli").mkdir()
    (tmp_path / "snli" / "train-subset.parquet").touch()
    data = runpy.run_path(str(ROOT / "scripts" / "benchmark_training.py"))["_data"]
    assert data("text", tmp_path) == ["data=snli_subset", f"data.root={tmp_path}/snli", "data.download=false"]
    assert data("cifar100", tmp_path) == data("text", None) == ["data=sample"]

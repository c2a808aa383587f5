"""A task is one package and its config files, wherever they lie: a toy one trains and gets its table."""

from textwrap import dedent

import pytest

from experiments.configuration.composition import ROOT
from experiments.record import ledger
from tests import forked

SPEC = """
from experiments.configuration.options import Count, DataOptions, ModelOptions, TaskOptions
from experiments.configuration.task_spec import Metric, TaskSpec


class ToyOptions(TaskOptions):
    noise: float


class ToyData(DataOptions):
    examples: Count


class LinearOptions(ModelOptions):
    width: Count


SPEC = TaskSpec(
    name="toy",
    title="toy regression",
    headline="error",
    metrics={"error": Metric("mean squared error", "", 4, higher_is_better=False, best_possible=0.0)},
    margin=0.01,
    task=ToyOptions,
    data={"line": ToyData},
    models={"perceptron": LinearOptions},
)
"""

TASK = '''
import torch
from torch import nn
from torch.nn import functional as F

from experiments.distributed.processes import all_reduce_sum
from experiments.distributed.sharding import WHOLE
from experiments.randomness import generator
from experiments.tasks.contract import Splits, Task, model_from_config
from toy_package.spec import SPEC


class Line:
    """y = x + noise, drawn anew for each epoch."""

    def __init__(self, examples, noise):
        self.smallest, self.noise = examples, noise

    def __len__(self):
        return 1

    def epoch(self, seed, epoch, start=0, shard=WHOLE):
        draw = generator("cpu", seed, epoch)
        x = torch.randn(self.smallest, 3, generator=draw)
        y = x.sum(1, keepdim=True) + self.noise * torch.randn(self.smallest, 1, generator=draw)
        chosen = shard.of(self.smallest)
        yield from [(x[chosen], y[chosen])][start:]


def perceptron(activation, width):
    return nn.Sequential(nn.Linear(3, width), activation(width, sample_dims=(1,)), nn.Linear(width, 1))


MODELS = {"perceptron": perceptron}


class Toy(Task):
    spec = SPEC

    def build_data(self, config, device):
        line = Line(config.data.examples, config.task.noise)
        return Splits(line, {"test": list(line.epoch(0, 1000))})

    def build_model(self, config, activation):
        return model_from_config(MODELS, config, activation=activation)

    def loss(self, model, batch):
        x, y = batch
        return F.mse_loss(model(x), y), {}, len(x)

    def evaluate(self, model, batches):
        total, count = 0.0, 0
        for x, y in batches:
            total, count = total + F.mse_loss(model(x), y, reduction="sum"), count + len(x)
        total, count = all_reduce_sum(torch.as_tensor(total), count)
        return {"error": float(total) / count}


TASK = Toy
'''

CONFIGS = {
    "task/toy.yaml": '''
        # @package _global_
        # A line through a cloud
        defaults:
          - override /data: line
          - override /model: perceptron
          - override /optim: sgd
          - override /recipe: brief
        task:
          name: toy
          package: toy_package
          noise: 0.1
        ''',
    "data/toy/line.yaml": '''
        # Points near a line
        data:
          name: line
          source: line
          examples: 64
        ''',
    "model/toy/perceptron.yaml": '''
        # One hidden layer
        model:
          name: perceptron-${.width}
          architecture: perceptron
          width: 8
        ''',
    "recipe/toy/brief.yaml": '''
        # @package _global_
        # Three epochs of one step
        trainer:
          epochs: 3
          channels_last: false
        ''',
}  # fmt: skip


@pytest.fixture
def toy(tmp_path):
    """Starts a script of the checkout where the toy task is known."""
    package = tmp_path / "plugins/toy_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "spec.py").write_text(SPEC)
    (package / "task.py").write_text(TASK)
    for name, content in CONFIGS.items():
        file = tmp_path / "configs of mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(content).lstrip())

    def start(*words, **variables):
        return forked.run(words, tmp_path, {"PYTHONPATH": str(package.parent), **variables})

    return start


@pytest.mark.slow
def test_a_task_of_ones_own_trains_and_gets_its_table(toy, tmp_path):
    folder = str(tmp_path / "configs of mine")
    done = toy("run.py", "--config-dir", folder, "task=toy", "act=relu")
    assert done.returncode == 0, done.stderr
    swept = toy("run.py", "-m", "task=toy", "act=relu,prelu", "seed=0,1", CARELU_CONFIG_DIR=folder)
    assert swept.returncode == 0, swept.stderr
    rows, problems = ledger.read(tmp_path / "outputs/ledger.csv")
    assert len(rows) == 4 and not problems
    assert {(row.task, row.recipe, row.model, row.data) for row in rows} == {("toy", "brief", "perceptron-8", "line")}
    table = toy("scripts/make_tables.py", "--ledger", "outputs/ledger.csv", "--out", "tables", CARELU_CONFIG_DIR=folder)
    assert table.returncode == 0, table.stderr
    written = (tmp_path / "tables/toy.md").read_text(encoding="utf-8")
    assert "Mean squared error" in written
    assert "lower is better" in written


@pytest.mark.slow
def test_the_options_of_a_task_of_ones_own_are_checked_and_listed(toy, tmp_path):
    folder = str(tmp_path / "configs of mine")
    for arguments, answer in (
        (["data.examples=0"], "data.examples=0 is not accepted; accepted: an integer ≥ 1"),
        (["task.nosie=1"], "did you mean task.noise"),
        (["data=sample"], "unknown data for task=toy: 'sample'; accepted: line"),
    ):
        done = toy("run.py", f"--config-dir={folder}", "task=toy", *arguments)
        assert (done.returncode, answer in done.stderr) == (2, True), done.stderr
    shown = toy("run.py", f"--config-dir={folder}", "--help").stdout
    assert "A line through a cloud" in shown
    assert "Points near a line" in shown


def test_without_its_package_the_error_names_the_remedy(toy, tmp_path):
    done = toy("run.py", "task=toy", CARELU_CONFIG_DIR=str(tmp_path / "configs of mine"), PYTHONPATH=str(ROOT))
    assert done.returncode == 2
    assert "toy_package" in done.stderr
    assert "PYTHONPATH" in done.stderr

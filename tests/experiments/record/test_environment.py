"""What a record keeps of the code that made a result."""

import sys

import pytest
import torch

from carelu import ActivationFactory
from experiments.record import environment


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout without files, in which a task's package lies."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    monkeypatch.delitem(sys.modules, "toy_of_environment", raising=False)
    (tmp_path / "plugins/toy_of_environment").mkdir(parents=True)
    (tmp_path / "plugins/toy_of_environment/__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("carelu/functional.py", True),
        ("carelu/kernels/carelu.cpp", True),
        ("experiments/training/engine.py", True),
        ("experiments/distributed/sharding.py", True),
        ("experiments/randomness.py", True),
        ("experiments/tasks/contract.py", True),
        ("plugins/toy_of_environment/task.py", True),
        ("plugins/toy_of_environment/models/linear.py", True),
        ("plugins/another/task.py", False),
        ("experiments/tasks/text/task.py", False),
        ("experiments/record/ledger.py", False),
        ("experiments/analysis/statistics.py", False),
        ("experiments/report/tables.py", False),
        ("experiments/benchmarking/operations.py", False),
        ("experiments/configuration/help.py", False),
    ],
)
def test_the_code_of_a_result_is_what_computes_it(checkout, name, matters):
    file = checkout / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("before")
    before = environment.code_hash("toy_of_environment")
    file.write_text("after")
    assert (environment.code_hash("toy_of_environment") != before) == matters


def test_each_task_has_its_own_code_hash():
    hashes = [environment.code_hash(f"experiments.tasks.{task}") for task in ("cifar100", "superres", "text")]
    assert len({*hashes}) == 3
    assert all(len(each) == 12 for each in hashes)


def test_the_hash_of_an_activation_follows_its_own_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "activations_of_environment.py"
    file.write_text("class One: pass\nclass Two: pass\n")
    import activations_of_environment as module

    one, two = environment.activation_hash(module.One), environment.activation_hash(module.Two)
    assert len({one, two}) == 2
    assert environment.activation_hash(module.One) == one
    file.write_text("class One: x = 1\nclass Two: pass\n")
    assert environment.activation_hash(module.One) != one


def test_the_environment_holds_both_hashes():
    activation = type(ActivationFactory("carelu").stand_alone())
    found = environment.describe(torch.device("cpu"), task_package="experiments.tasks.cifar100", activation=activation)
    assert found["code_hash"] == environment.code_hash("experiments.tasks.cifar100")
    assert found["activation_hash"] == environment.activation_hash(activation)

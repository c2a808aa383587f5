"""What a record keeps of the code that made a result."""

import sys

import numpy as np
import pytest
import tokenizers
import torch

from carelu import ActivationFactory
from carelu.kernels import cpp
from experiments.errors import BadInput
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
        ("carelu/kernels/panels.h", True),
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


def test_a_class_of_pytorch_is_the_same_function_in_every_version(monkeypatch):
    before = environment.activation_hash(torch.nn.ReLU)
    monkeypatch.setattr(environment.inspect, "getsourcefile", lambda _: __file__)
    assert environment.activation_hash(torch.nn.ReLU) == before
    assert environment.activation_hash(torch.nn.ELU) != before


@pytest.mark.parametrize("forced", ["eager", "torch_ops"])
def test_the_kernel_is_the_one_that_computes(monkeypatch, forced):
    monkeypatch.setenv("CARELU_KERNEL", forced)
    assert environment.kernel_in_use(torch.device("cpu")) == forced


def test_without_a_forced_kernel_it_is_the_fastest_that_works_here(monkeypatch):
    monkeypatch.delenv("CARELU_KERNEL", raising=False)
    monkeypatch.setattr(cpp, "unsupported_reason", lambda *_: None)
    assert environment.kernel_in_use(torch.device("cpu")) == "cpp"
    monkeypatch.setattr(cpp, "unsupported_reason", lambda *_: "it could not be built")
    assert environment.kernel_in_use(torch.device("cpu")) == "torch_ops"


def test_an_unknown_kernel_is_a_mistake_of_one_line(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "fastest")
    with pytest.raises(BadInput, match="CARELU_KERNEL='fastest' is unknown; accepted: eager"):
        environment.kernel_in_use(torch.device("cpu"))


def test_the_processor_is_named_by_the_instructions_that_torch_uses(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert environment.processor_features(torch.device("cpu")).split()[0] == "AVX2"


def test_versions_are_those_of_what_the_task_uses():
    found = environment.describe(
        torch.device("cpu"),
        task_package="experiments.tasks.text",
        activation=torch.nn.ReLU,
        libraries=("tokenizers", "no-such-package"),
    )
    assert found["numpy"] == np.__version__
    assert found["tokenizers"] == tokenizers.__version__
    assert found["no-such-package"] == ""
    assert "transformers" not in found

"""What the engine reads of a task, and how a task and its model are found."""

from types import SimpleNamespace

import pytest

from experiments.configuration.composition import compose
from experiments.configuration.options import ModelOptions
from experiments.errors import BadInput
from experiments.tasks.cifar100.task import CIFAR100
from experiments.tasks.contract import Task, build_task, model_from_config


class Wide(ModelOptions):
    width: int


def named(package):
    return SimpleNamespace(task=SimpleNamespace(name="toy", package=package))


def test_the_task_of_a_configuration_is_built_with_it():
    config, _ = compose(["task=cifar100"])
    task = build_task(config)
    assert type(task) is CIFAR100
    assert task.config is config
    assert task.headline == ("top1", True)


@pytest.mark.parametrize("package", ["no_such_package", "experiments.sweep"])
def test_a_package_without_a_task_is_named_with_the_reason(package):
    with pytest.raises(BadInput, match=rf"task=toy: {package}\.task cannot be imported \(No module named"):
        build_task(named(package))


def test_a_module_without_the_name_task_is_no_task(tmp_path, monkeypatch):
    (tmp_path / "halfway").mkdir()
    (tmp_path / "halfway" / "task.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match=r"halfway\.task cannot be imported .*TASK"):
        build_task(named("halfway"))


def test_a_model_is_built_from_its_own_options_and_the_arguments_of_the_task():
    config = SimpleNamespace(model=Wide(name="toy-8", architecture="toy", width=8))
    models = {"toy": lambda **arguments: arguments, "other": lambda **_: pytest.fail("not asked for")}
    assert model_from_config(models, config, classes=3) == {"width": 8, "classes": 3}


def test_a_task_that_makes_no_predictions_says_so(tmp_path):
    task = CIFAR100(compose(["task=cifar100"])[0])
    assert (task.chance(), task.state_dict()) == (1.0, {})
    with pytest.raises(BadInput, match="task=cifar100 makes no predictions; give its class a method `predict`"):
        Task.predict(task, None, [], tmp_path)


def test_a_task_without_pictures_writes_nothing(tmp_path):
    assert Task.write_artifacts(None, None, None, tmp_path) == []
    assert list(tmp_path.iterdir()) == []

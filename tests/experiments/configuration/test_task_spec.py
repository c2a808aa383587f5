"""What each task tells of itself, and that it agrees with the task's code."""

import importlib

import pytest

from experiments.analysis.metrics import describe_metric
from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import spec_of, task_package
from experiments.errors import BadInput

TASKS = list(options_of("task"))


@pytest.mark.parametrize("task", TASKS)
def test_a_spec_describes_its_headline_and_has_a_margin(task):
    spec = spec_of(task)
    assert spec.name == task
    assert spec.headline in spec.metrics
    assert spec.margin > 0


@pytest.mark.parametrize("task", TASKS)
def test_the_code_of_a_task_builds_what_its_spec_lists(task):
    module = importlib.import_module(f"{task_package(task)}.task")
    spec = spec_of(task)
    assert module.TASK.spec is spec
    assert set(module.MODELS) == set(spec.models)
    assert set(getattr(module, "SOURCES", spec.data)) == set(spec.data)


@pytest.mark.parametrize(
    ("task", "headline", "unit", "margin"),
    [("cifar100", "top1", "%", 0.5), ("superres", "psnr_y", "dB", 0.05), ("text", "accuracy", "%", 0.5)],
)
def test_the_margin_of_practical_equivalence_is_in_the_unit_of_the_headline(task, headline, unit, margin):
    spec = spec_of(task)
    assert (spec.headline, spec.metrics[headline].unit, spec.margin) == (headline, unit, margin)


def test_chance_is_that_of_a_hundred_classes():
    metrics = spec_of("cifar100").metrics
    assert (metrics["top1"].chance, metrics["top5"].chance, metrics["loss"].chance) == (1.0, 5.0, None)


def test_a_metric_of_another_test_set_says_so_in_its_title():
    metric = describe_metric("superres", "set5/psnr_y")
    assert (metric.title, metric.decimals, metric.heading) == ("PSNR (luma) on set5", 3, "PSNR (luma) on set5, dB")


def test_an_unknown_metric_or_task_is_answered_with_those_that_exist():
    with pytest.raises(BadInput, match=r"top_1.* did you mean top1.*experiments\.tasks\.cifar100\.spec"):
        describe_metric("cifar100", "top_1")
    with pytest.raises(BadInput, match=r"psnr_y"):
        describe_metric("cifar100", "psnr_y")
    with pytest.raises(BadInput, match=r"unknown task 'cifar10'; did you mean cifar100"):
        spec_of("cifar10")


def test_a_task_whose_package_cannot_be_imported_says_where_to_put_it(tmp_path, monkeypatch):
    (tmp_path / "task").mkdir()
    (tmp_path / "task/absent.yaml").write_text("task:\n  name: absent\n  package: no_such_package\n")
    (tmp_path / "task/empty.yaml").write_text("task:\n  name: empty\n")
    monkeypatch.setenv("CARELU_CONFIG_DIR", str(tmp_path))
    with pytest.raises(BadInput, match=r"task=absent: no_such_package\.spec .* PYTHONPATH"):
        spec_of("absent")
    with pytest.raises(BadInput, match=r"empty\.yaml names no task\.package"):
        spec_of("empty")

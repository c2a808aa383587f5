"""The text of `--help`."""

from experiments.configuration.composition import GROUPS_BY_TASK, launchers, options_of
from experiments.configuration.help import help_text


def test_help_lists_every_option_with_its_meaning():
    lines = {" ".join(line.split()) for line in help_text().splitlines()}
    for group in ("task", "act", "optim", "trainer", "logger", "experiment"):
        assert {f"{word} {meaning}" for word, meaning in options_of(group).items()} <= lines
    for task in options_of("task"):
        for group in GROUPS_BY_TASK:
            assert {f"{word} {' '.join(meaning.split())}" for word, meaning in options_of(group, task).items()} <= lines
    assert {f"{word} {meaning}" for word, meaning in launchers().items()} <= lines


def test_help_lists_a_task_of_a_further_folder(tmp_path, monkeypatch):
    (tmp_path / "task").mkdir()
    (tmp_path / "task/toy.yaml").write_text("# @package _global_\n# A toy\ntask:\n  name: toy\n")
    monkeypatch.setenv("CARELU_CONFIG_DIR", str(tmp_path))
    lines = [" ".join(line.split()) for line in help_text().splitlines()]
    assert "toy A toy" in lines
    assert lines.count("for task=toy") == len(GROUPS_BY_TASK)

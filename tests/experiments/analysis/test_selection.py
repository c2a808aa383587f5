"""The runs that are compared: what a person asks for, and of a recipe the largest comparable group."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.analysis.selection import select, with_baseline
from experiments.errors import BadInput
from tests.experiments.ledgers import grid, row, write

STRAY = "small(trainer.max_steps=2)"


@pytest.fixture
def evidence(tmp_path):
    """Two activations with three seeds each, and one smoke run."""
    return read_evidence(write(tmp_path / "l.csv", [*grid(["relu", "carelu"], range(3)), row("relu", 0, recipe=STRAY)]))


def recipes(evidence):
    return sorted({run.setting.recipe_label for run in evidence.runs})


@pytest.mark.parametrize("recipe", [None, "small"])
def test_one_stray_run_is_left_out_with_a_sentence_that_says_how_to_see_it(tmp_path, recipe):
    rows = [*grid(["relu", "carelu"], range(3), recipe="small(trainer.epochs=4)"), row("relu", 0, recipe=STRAY)]
    found = select(read_evidence(write(tmp_path / "l.csv", rows)), recipe)
    assert recipes(found) == ["small(trainer.epochs=4)"]
    ((task, note),) = found.left_out
    assert task == "cifar100" and found.warnings() == found.warnings("cifar100") == (note,)
    assert found.warnings("text") == ()
    assert "1 run with the recipe small(trainer.max_steps=2)" in note and f"--recipe '{STRAY}'" in note
    assert found.recipe == recipe


def test_what_is_asked_for_by_its_label_is_taken_however_few_runs_it_has(evidence):
    assert select(evidence, STRAY) == select(evidence, "each") == evidence


def test_of_a_recipe_asked_for_by_name_only_its_own_runs_are_taken(tmp_path):
    rows = [*grid(["relu"], range(3), recipe=STRAY), row("relu", 0, recipe="fast")]
    found = select(read_evidence(write(tmp_path / "l.csv", rows)), "small")
    assert recipes(found) == [STRAY] and found.recipe == "small"


def test_strays_of_every_task_and_recipe_are_left_out_with_a_sentence_each(tmp_path):
    rows = [row("relu", 0, task=task, recipe=STRAY) for task in ("cifar100", "text")]
    rows += [row("relu", 1, recipe="fast(trainer.epochs=1)"), *grid(["relu"], range(2), recipe="fast")]
    found = select(read_evidence(write(tmp_path / "l.csv", [*grid(["relu"], range(3), ("cifar100", "text")), *rows])))
    assert recipes(found) == ["fast", "small"]
    assert [task for task, _ in found.left_out] == ["cifar100", "cifar100", "text"]


def test_where_no_run_departs_from_its_recipe_the_configuration_has_the_keys(tmp_path):
    evidence = read_evidence(write(tmp_path / "l.csv", grid(["relu"], range(2))))
    with pytest.raises(BadInput, match=r"'nothing'.*accepted: a key of the configuration, as --cfg job shows it"):
        select(evidence, wanted=["nothing=1"])


def test_recipes_without_a_run_of_the_baseline_are_left_out_with_a_sentence_each(tmp_path):
    rows = [*grid(["relu", "gelu"], range(2)), row("gelu", 0, recipe="fast"), row("gelu", 1, recipe="slow")]
    evidence = read_evidence(write(tmp_path / "l.csv", rows))
    found = with_baseline(evidence, "relu")
    assert recipes(found) == ["small"] and len(found.runs) == 4 and found.file == evidence.file
    assert [note.split()[1] for note in found.problems] == ["fast", "slow"]
    assert with_baseline(found, "relu") is found
    assert with_baseline(evidence, "tanh") is evidence


def test_groups_of_one_size_are_all_kept(tmp_path):
    rows = [*grid(["relu"], range(2)), *grid(["relu"], range(2), recipe="small(trainer.epochs=4)")]
    assert len(select(read_evidence(write(tmp_path / "l.csv", rows))).runs) == 4


def test_values_of_a_tuned_key_are_one_group(tmp_path):
    rows = [*grid(["relu"], range(2)), row("relu", 0, recipe="small(optim.optimizer.lr=0.5)")]
    evidence = read_evidence(write(tmp_path / "l.csv", rows))
    assert len(select(evidence, tuned="optim.optimizer.lr").runs) == 3
    assert len(select(evidence).runs) == 2


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (["trainer.max_steps=null"], 6),
        (["trainer.max_steps=2"], 1),
        (["trainer.epochs=null"], 6),
        (["trainer.max_steps=null", "trainer.epochs=null"], 6),
    ],
)
def test_settings_select_runs_and_null_is_the_recipes_own_value(evidence, wanted, count):
    found = select(evidence, wanted=wanted)
    assert len(found.runs) == count
    assert found.selected == tuple(wanted)


def test_a_number_may_be_written_in_any_way(tmp_path):
    rows = [row("relu", 0, recipe="small(optim.optimizer.lr=0.001)"), row("relu", 1)]
    (run,) = select(read_evidence(write(tmp_path / "l.csv", rows)), wanted=["optim.optimizer.lr=1e-3"]).runs
    assert run.seed == 0


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("trainer.max_steps", "accepted: KEY=VALUE"),
        ("=2", "accepted: KEY=VALUE"),
        (
            "trainer.max_step=2",
            r"unknown key of --select 'trainer.max_step'; did you mean trainer.max_steps.* accepted: trainer.max_steps",
        ),
        ("trainer.max_steps=3", r"no run has that value; accepted: 2 \(1 run\), null \(6 runs\)"),
    ],
)
def test_a_mistake_names_what_is_accepted_in_one_line(evidence, wanted, answer):
    with pytest.raises(BadInput, match=answer) as error:
        select(evidence, wanted=[wanted])
    assert "\n" not in str(error.value)

"""The model is evaluated in evaluation mode without gradients, on the batches of this process, set by set."""

import pytest
import torch
from torch import nn

from carelu import ActivationFactory
from experiments.distributed.processes import SingleProcess
from experiments.distributed.sharding import Shard
from experiments.tasks.contract import Splits
from experiments.training.evaluation import Evaluator, autocast
from experiments.training.state import Interrupted

BATCHES = [torch.full((2, 3), float(number)) for number in range(5)]


class Seen:
    """A task that remembers the batches of each evaluation and the conditions at each batch."""

    def __init__(self, files=()):
        self.files, self.batches, self.conditions = list(files), [], []

    def look(self, model):
        output = model(torch.ones(1, 3))
        self.conditions.append((model.training, torch.is_grad_enabled(), output.dtype))

    def evaluate(self, model, batches):
        self.batches.append([])
        for batch in batches:
            self.look(model)
            model(batch)
            self.batches[-1].append(int(batch[0, 0]))
        return {"count": float(len(self.batches[-1]))}

    def write_artifacts(self, model, splits, folder):
        self.look(model)
        for name in self.files:
            (folder / name).write_text("")
        return [folder / name for name in self.files]


def evaluator(task, sets=("test",), precision="float32", shard=None, activation="relu"):
    model = nn.Sequential(nn.Linear(3, 3), ActivationFactory(activation)(3, (1,)))
    processes = SingleProcess()
    if shard is not None:
        processes.shard = shard
    return Evaluator(task, Splits(None, dict.fromkeys(sets, BATCHES)), model.train(), processes, precision)


def go_on():
    return False


def test_metrics_of_test_have_plain_names_and_those_of_other_sets_the_set_before_them():
    assert evaluator(Seen(), ["validation", "test", "set5"]).measure(go_on)[0] == {
        "validation/count": 5,
        "count": 5,
        "set5/count": 5,
    }


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_the_task_evaluates_in_evaluation_mode_without_gradients_at_the_precision_of_the_run(
    tmp_path, precision, dtype
):
    task = Seen()
    watched = evaluator(task, precision=precision)
    watched.measure(go_on)
    watched.model.train()
    watched.write_artifacts(tmp_path / "pictures")
    assert set(task.conditions) == {(False, False, dtype)}
    assert torch.is_grad_enabled()


def test_the_processes_share_the_batches_of_every_set_in_turns():
    seen = []
    for index in range(2):
        task = Seen()
        evaluator(task, ["test", "set5"], shard=Shard(index, 2)).measure(go_on)
        seen.append(task.batches)
    assert seen == [[[0, 2, 4]] * 2, [[1, 3]] * 2]


def test_a_request_to_stop_ends_an_evaluation_before_the_next_batch():
    task, answers = Seen(), iter([False, False, True])
    with pytest.raises(Interrupted):
        evaluator(task).measure(lambda: next(answers))
    assert task.batches == [[0, 1]]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_process_asks_equally_often_whether_to_stop(count):
    """The answer is exchanged between the processes, so one question too many would wait for ever."""
    asked = []
    for index in range(count):
        questions = []
        evaluator(Seen(), shard=Shard(index, count)).measure(lambda questions=questions: bool(questions.append(1)))
        asked.append(len(questions))
    assert len(set(asked)) == 1


def test_activations_are_measured_on_the_first_batch_in_evaluation_mode():
    task = Seen()
    watched = evaluator(task, ["validation", "test"], activation="carelu")
    statistics = watched.activations_of_first_batch()
    assert task.batches == [[0]]
    assert {condition[0] for condition in task.conditions} == {False}
    assert {"alpha", "beta", "share", "scale"} <= statistics["1"].keys()


def test_activations_are_measured_over_the_whole_first_set():
    watched = evaluator(Seen(), ["validation", "test"], activation="carelu")
    _, statistics = watched.measure(go_on)
    of_first_batch = watched.activations_of_first_batch()
    assert statistics["1"]["scale"] == pytest.approx(of_first_batch["1"]["scale"])  # the same at the start
    assert statistics["1"]["share"] != of_first_batch["1"]["share"]


def test_a_folder_of_artifacts_is_kept_only_with_files_in_it(tmp_path):
    folder = tmp_path / "pictures"
    assert evaluator(Seen()).write_artifacts(folder) == []
    assert not folder.exists()
    assert evaluator(Seen(["one.png"])).write_artifacts(folder) == [folder / "one.png"]
    assert (folder / "one.png").exists()


def test_full_precision_is_no_autocast():
    assert not autocast(torch.device("cpu"), "float32")._enabled
    assert autocast(torch.device("cpu"), "bfloat16").fast_dtype is torch.bfloat16

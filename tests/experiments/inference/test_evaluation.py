"""Measuring a trained run reproduces its record, and takes other data but no other settings."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments import load_run
from experiments.configuration.composition import compose
from experiments.errors import BadInput
from experiments.inference.evaluation import config_for, evaluate
from experiments.tasks.superres.bsds300 import SAMPLE_DIR
from experiments.tasks.text import dataset
from experiments.training.console import Display
from experiments.training.run import Run
from tests.conftest import TINY_NETWORK


def trained(task, folder, *further):
    settings = [
        f"task={task}",
        "data=sample",
        "recipe=small",
        "trainer.max_steps=2",
        *TINY_NETWORK[task],
        f"output_root={folder}",
        *further,
    ]
    return load_run(Run(*compose(settings), Display(quiet=True)).complete().identity.directory)


def pictures(folder, count):
    """A folder of a few photographs of the sample."""
    folder.mkdir(parents=True)
    for number, file in enumerate(sorted((SAMPLE_DIR / "test").iterdir())[:count]):
        Image.open(file).crop((0, 0, 60, 50)).save(folder / f"{number}.png")
    return folder


def test_without_other_data_the_metrics_are_those_of_the_record(run):
    outcome = run("data.held_out=20")
    found = evaluate(load_run(outcome.identity.directory))
    assert set(found.metrics) == {"top1", "top5", "loss", "validation/top1", "validation/top5", "validation/loss"}
    assert found.metrics == found.recorded == {name: outcome.result[name] for name in found.metrics}


def test_an_override_that_is_not_accepted_is_named(run):
    loaded = load_run(run("trainer.epochs=1", "data_root=here").identity.directory)
    for words, said in (
        (["optim.optimizer.lr=1"], "optim.optimizer.lr=1 is not accepted: a trained model keeps its other settings"),
        (["data=no_such"], "unknown data for task=cifar100: 'no_such'"),
        (["data.rooot=x"], "unknown key 'data.rooot'; did you mean data.root"),
        (["data.held_out=-1"], "data.held_out=-1 is not accepted; accepted: an integer ≥ 0"),
        (["data.held_out=1,2"], "data.held_out=1,2 is not accepted"),
        (["sample"], "'sample' is not a setting"),
    ):
        with pytest.raises(BadInput) as error:
            config_for(loaded, words)
        assert said in str(error.value)
    # Folders that lay below data_root move with it.
    assert config_for(loaded, ["data_root=/there"]).data.root == "/there"
    assert config_for(loaded, ["data_root=/there", "data.root=other"]).data.root == "other"


@pytest.mark.slow
def test_super_resolution_is_measured_on_further_sets_and_on_folders_without_training_images(tmp_path, few_photographs):
    own = pictures(tmp_path / "sets" / "own", 2)
    sets = ["data.test_sets=[own]", f"data.test_root={tmp_path / 'sets'}"]
    first = trained("superres", tmp_path / "runs", *sets)
    again = evaluate(first)
    assert again.metrics == again.recorded and "own/psnr_y" in again.metrics
    folder = evaluate(first, ["data=folder", f"data.test={own}"])
    assert folder.recorded == {}
    assert folder.metrics["psnr_y"] == again.metrics["own/psnr_y"]
    with first.evaluating():
        (answer,) = first.task.predict(first.model, [own / "0.png"], tmp_path / "large")
    assert answer.answer == str(tmp_path / "large" / "0_x2.png") and answer.probability is None
    assert Image.open(answer.answer).size == (120, 100)
    without = trained("superres", tmp_path / "others")
    later = evaluate(without, sets)
    assert later.metrics == again.metrics  # equal settings give equal weights
    assert set(later.recorded) == {name for name in later.metrics if "/" not in name}


@pytest.mark.slow
def test_texts_are_measured_with_the_tokenizer_and_the_classes_of_the_run(tmp_path, monkeypatch):
    text = trained("text", tmp_path / "runs", f"data.cache={tmp_path / 'cache'}")
    own = evaluate(text)
    assert own.metrics == own.recorded
    first, second = (column[:5] for column in dataset.load(text.config.data).parts["test"].texts)
    # The training data is gone: only the folder of the run tells the vocabulary.
    monkeypatch.setattr(dataset, "load", lambda data: pytest.fail("the training texts were read"))
    file = tmp_path / "own.csv"
    file.write_text("first,second,label\nA man sleeps.,He runs.,contradiction\nA dog.,An animal.,entailment\n")
    data = ["data=csv", f"data.test={file}", "data.text=[first,second]", f"data.cache={tmp_path / 'cache'}"]
    text = load_run(text.folder)
    assert set(evaluate(text, data).metrics) == {"accuracy", "macro_f1", "loss"}
    with pytest.raises(BadInput, match=r"data.text=.first. is not accepted for a model of pairs of texts"):
        evaluate(text, [*data[:2], "data.text=[first]"])
    with pytest.raises(BadInput, match=r"data.max_length=500 is more than the 128 tokens of the model"):
        evaluate(text, [*data, "data.max_length=500"])
    pairs = "".join(f"{one}\t{other}\n" for one, other in zip(first, second, strict=True))
    (tmp_path / "pairs.txt").write_text(pairs)
    with text.evaluating():
        answers = text.task.predict(text.model, [tmp_path / "pairs.txt"], tmp_path)
        (tmp_path / "pairs.txt").write_text(pairs + "alone\n")
        with pytest.raises(BadInput, match=r"pairs\.txt, line 6: 'alone' is not 2 texts with a tab between"):
            text.task.predict(text.model, [tmp_path / "pairs.txt"], tmp_path)
    recorded = np.load(text.folder / "predictions.npz")["test/predicted"][:5]
    assert [each.answer for each in answers] == [text.task.state_dict()["classes"][label] for label in recorded]
    assert answers[4].example == f"{tmp_path / 'pairs.txt'}:5"
    state = json.loads((text.folder / "task.json").read_text())
    assert state["classes"] == ["entailment", "neutral", "contradiction"]

"""Runs of task=text on the bundled sample: recorded, resumed bit for bit, and refused where the input is bad."""

import json
import shlex
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.configuration.command_line import check_command
from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.tasks.text import dataset as text_sets
from experiments.tasks.text.batches import TextBatch
from experiments.tasks.text.task import TextClassification
from experiments.training.console import Display
from experiments.training.run import Run
from tests.conftest import compose_run
from tests.experiments.training.test_run import metrics_of, weights_of

SETTLED = ["trainer.device=cpu", "trainer.precision=float32"]


@pytest.fixture(scope="session")
def token_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture
def tiny(tmp_path, token_cache, monkeypatch):
    """The settings of a run of two epochs of some seven steps, on 120 training and 45 + 45 other pairs."""
    usual = text_sets.load

    def first_rows(data):
        loaded = usual(data)
        counts = {"train": 120, "validation": 45, "test": 45}
        parts = {name: part[np.arange(min(len(part), counts[name]))] for name, part in loaded.parts.items()}
        return replace(loaded, parts=parts)

    monkeypatch.setattr(text_sets, "load", first_rows)
    return [
        "task=text",
        "data=sample",
        "recipe=small",
        "data.vocabulary_size=500",
        f"data.cache={token_cache}",
        "data.tokens_per_batch=1024",
        "trainer.batch_size=20",
        "trainer.epochs=2",
        "model.width=8",
        "model.layers=1",
        f"output_root={tmp_path / 'runs'}",
    ]


@pytest.fixture
def run(tiny):
    def perform_with(*overrides):
        heads = [] if "model=bilstm" in overrides else ["model.head_size=4"]
        return Run(*compose_run([*tiny, *heads, *overrides]), Display()).complete()

    return perform_with


@pytest.mark.parametrize("model", ["bert", "bilstm"])
def test_an_activation_that_needs_a_normalisation_is_refused_before_any_text_is_read(run, model, monkeypatch):
    monkeypatch.setattr(TextClassification, "build_data", lambda *_: pytest.fail("too late"))
    with pytest.raises(BadInput, match="use competition_input='normalised'"):
        run("act=carelu", "act.options.competition_input=pre_norm", f"model={model}")


def test_a_finished_run_leaves_its_record_with_a_confusion_matrix(run):
    outcome = run("act=carelu", "trainer.evaluation_batch_size=10")
    result = json.loads((outcome.identity.directory / "result.json").read_text())
    assert (result["headline_metric"], result["headline_value"]) == ("accuracy", result["accuracy"])
    assert {"macro_f1", "loss", "validation/accuracy", "validation/macro_f1", "validation/loss"} <= set(result)
    assert result["data"] == "snli-sample"
    assert outcome.identity.overrides["data.tokens_per_batch"] == 1024
    assert outcome.identity.overrides["data.vocabulary_size"] == 500
    table = (outcome.identity.directory / "artifacts" / "confusion_matrix.csv").read_text().splitlines()
    counts = [list(map(int, line.split(",")[1:])) for line in table[1:]]
    assert sum(map(sum, counts)) == 45
    assert 100 * sum(counts[i][i] for i in range(3)) / 45 == pytest.approx(result["accuracy"])
    with np.load(outcome.identity.directory / "predictions.npz") as predictions:
        correct, predicted = predictions["test/correct"], predictions["test/predicted"]
        assert len(predictions["validation/correct"]) == 45
    labels = text_sets.load(validate(compose(["task=text", "data=sample"])[0]).data).parts["test"].labels
    assert (correct == (predicted == labels)).all()  # in the order of the data
    assert 100 * correct.mean() == pytest.approx(result["accuracy"])
    assert metrics_of(outcome)[0]["activations"]["classifier.bert.encoder.layer.0.intermediate.intermediate_act_fn"]


def test_selection_takes_the_epoch_that_is_best_on_the_validation_set(run):
    outcome = run("act=relu", "trainer.selection=validation", "trainer.epochs=3")
    evaluated = [record for record in metrics_of(outcome) if "accuracy" in record]
    best = max(evaluated, key=lambda record: record["validation/accuracy"])
    assert outcome.result["headline_epoch"] == best["epoch"]
    assert outcome.result["headline_value"] == best["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 7, 10])
def test_a_resumed_run_equals_an_uninterrupted_run(run, monkeypatch, tmp_path, number):
    expected = run("act=carelu_sign", f"output_root={tmp_path / 'undisturbed'}")
    usual, drawn = TextClassification.loss, []

    def loss(self, model, batch):
        drawn.append(1)
        if len(drawn) == number:
            signal.raise_signal(signal.SIGTERM)
        return usual(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(TextClassification, "loss", loss)
        assert run("act=carelu_sign").result is None
    resumed = run("act=carelu_sign")
    weights = weights_of(resumed)
    assert all(torch.equal(weights[name], value) for name, value in weights_of(expected).items())
    assert metrics_of(resumed) == metrics_of(expected)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bert", "bilstm"])
@pytest.mark.parametrize(
    "option", ["trainer.precision=bfloat16", pytest.param("trainer.compile=true", marks=pytest.mark.slow)]
)
def test_an_option_of_training_runs(run, monkeypatch, option, model):
    usual = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: usual(self, backend="eager"))
    assert run(option, f"model={model}", "act=carelu", "trainer.max_steps=2").result["status"] == "finished"


def test_metrics_are_over_all_texts_whatever_their_batches_and_without_label_smoothing(monkeypatch):
    task = TextClassification(compose(["task=text", "task.label_smoothing=0.2"])[0])
    monkeypatch.setattr(TextClassification, "_classes", ["entailment", "neutral", "contradiction"])
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0]])
    labels = torch.tensor([0, 2, 1, 1])

    class Fixed(torch.nn.Module):
        def forward(self, tokens, segments, mask):
            return logits[tokens[:, 0]]

    place = torch.arange(4).view(4, 1)
    batches = [TextBatch(place[part], place[part], place[part], labels[part]) for part in (slice(0, 3), slice(3, 4))]
    log_probabilities = logits.double().log_softmax(1)
    assert task.evaluate(Fixed(), batches) == pytest.approx(
        {
            "accuracy": 50.0,
            "macro_f1": 100 * (1 + 2 / 4 + 0) / 3,  # F1 = 2 TP / (2 TP + FP + FN): 2/2, 2/4, 0/2
            "loss": -sum(log_probabilities[text, label].item() for text, label in enumerate(labels)) / 4,
        },
        rel=1e-6,
    )


@pytest.mark.parametrize("task_loss", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_with_label_smoothing(task_loss):
    cfg, _ = compose(["task=text", f"task.label_smoothing={task_loss}"])
    task = TextClassification(validate(cfg))

    class Fixed(torch.nn.Module):
        def forward(self, tokens, segments, mask):
            return torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

    batch = TextBatch(*torch.zeros(3, 2, 4, dtype=torch.int64), torch.tensor([0, 2]))
    loss, metrics, count = task.loss(Fixed(), batch)
    log_probabilities = Fixed()(None, None, None).log_softmax(1)
    smooth = -log_probabilities.mean(1)
    plain = -log_probabilities[[0, 1], [0, 2]]
    torch.testing.assert_close(loss, ((1 - task_loss) * plain + task_loss * smooth).mean())
    assert (float(metrics["accuracy"]), count) == (50, 2)
    evaluated = task.evaluate(Fixed(), [batch, batch])
    assert evaluated["loss"] == pytest.approx(float(plain.mean()))
    assert evaluated["accuracy"] == 50
    assert evaluated["macro_f1"] == pytest.approx(100 * (1 + 0 + 0) / 3)


@pytest.mark.parametrize("held_out", [0, 1])
def test_the_tokenizer_learns_from_the_training_texts_alone(tmp_path, held_out):
    """A word of train is one piece; a word of another part is cut into the letters that train knows."""
    rows = {"train": ["zebra", *"quagokpi"], "validation": ["okapi"], "test": ["quagga"]}
    for part, texts in rows.items():
        lines = [f"{text},{label}" for text in texts for label in ("yes", "no") for _ in range(5)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    files = [f"data.{part}={tmp_path / part}.csv" for part in ("train", "test", *(["validation"][held_out:]))]
    wanted = [f"data.held_out={held_out}", "data.vocabulary_size=100", f"data.cache={tmp_path / 'cache'}"]
    cfg, _ = compose(["task=text", "data=csv", *files, *wanted])
    splits = TextClassification(cfg).build_data(cfg, torch.device("cpu"))

    def lengths(batches):  # without the first and the last token of each text
        return {int(length) - 2 for batch in batches for length in batch.mask.sum(1)}

    assert lengths(splits.train.epoch(0, 0)) == {1}
    assert lengths(splits.evaluation["test"]) == {len("quagga")}
    assert lengths(splits.evaluation["validation"]) == ({1} if held_out else {len("okapi")})


# Any files


@pytest.fixture
def csv_run(run, tmp_path):
    """Performs a tiny run on CSV files of the given rows."""

    def perform_with(train, test, *overrides):
        for name, rows in (("train", train), ("test", test)):
            lines = [f"{text},{label}" for text, label in rows]
            (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
        files = [f"data.{name}={tmp_path / name}.csv" for name in ("train", "test")]
        return run("data=csv", *files, "trainer.max_steps=2", *overrides)

    return perform_with


GOOD = [("a fine film", "good"), ("a dull film", "bad"), ("fine acting", "good"), ("dull words", "bad")]


def test_any_csv_files_train_and_what_was_cut_or_dropped_is_said_once_and_recorded(csv_run, capsys):
    train = [*GOOD, (" ".join(["long"] * 50), "good"), ("", "bad")]
    outcome = csv_run(train, GOOD, "data.drop_empty=true", "data.max_length=16")
    assert outcome.result["status"] == "finished"
    assert outcome.result["notes"] == [
        "1 of 6 rows of train have an empty text and were dropped",
        "1 of 5 texts of train are longer than data.max_length=16 tokens and were cut",
    ]
    said = capsys.readouterr().out
    assert all(said.count(note) == 1 for note in outcome.result["notes"])


@pytest.mark.parametrize(
    ("train", "test", "overrides", "answer"),
    [
        ([*GOOD, ("", "bad")], GOOD, [], r"train\.csv, row 5: column 'text' is empty"),
        (GOOD, [("fine", "great")], [], r"test\.csv, row 1: column 'label' has the label 'great'"),
        ([*GOOD, ("two", "2")], GOOD, [], r"train\.csv, row 5: column 'label' mixes numbers and names"),
        (GOOD, GOOD, ["data.label=lable"], r"train\.csv, named by data\.label: 'lable'; did you mean label"),
        (GOOD, GOOD, ["data.tokens_per_batch=64"], r"data\.tokens_per_batch=64 holds no text of data\.max_length=128"),
    ],
)
def test_bad_texts_are_answered_before_training(csv_run, monkeypatch, train, test, overrides, answer):
    monkeypatch.setattr(TextClassification, "loss", lambda *_: pytest.fail("too late"))
    with pytest.raises(BadInput, match=answer):
        csv_run(train, test, *overrides)


def test_a_pretrained_model_is_fine_tuned_with_its_own_tokenizer(run, tmp_path):
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    from experiments.tasks.text.tokenizer import train_wordpiece

    folder = tmp_path / "pretrained"
    tokenizer = train_wordpiece(["a fine film", "two people outside"] * 3, 120, True)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    BertForSequenceClassification(BertConfig(vocab_size=120, **sizes)).save_pretrained(folder)
    outcome = run("act=carelu", f"model.pretrained={folder}", "trainer.max_steps=2")
    assert outcome.result["status"] == "finished"
    assert outcome.identity.overrides["model.pretrained"] == str(folder)
    assert weights_of(outcome)["classifier.bert.embeddings.word_embeddings.weight"].shape == (120, 8)


def test_a_pretrained_model_that_cannot_be_loaded_is_answered_in_words(run, tmp_path):
    with pytest.raises(BadInput, match=r"model\.pretrained=.*no tokenizer can be loaded"):
        run(f"model.pretrained={tmp_path / 'missing'}", "trainer.max_steps=2")


# Names and settings


def identity_of(*overrides):
    return identify(*compose(["task=text", *SETTLED, *overrides]))


def test_the_record_names_the_data_that_was_used():
    assert identity_of().data == "snli"
    assert identity_of("data=snli_subset").data == "snli-38.7k-subset"
    part = identity_of("data=sst2", "data.held_out=100")
    assert (part.data, part.overrides) == ("sst2-dev", {"data.held_out": 100})
    assert identity_of("data=sample").data == "snli-sample"


def test_where_the_cache_is_does_not_change_a_run():
    assert identity_of("data.cache=elsewhere", "data.root=there").run_id == identity_of().run_id


def test_the_recorded_command_makes_the_same_run_also_with_names_that_need_quotes():
    files = ["data.train='my, file.csv'", "data.test=b.csv", "data.text=[one,'two words']", "data.label='1'"]
    identity = identity_of("data=csv", *files)
    assert identify(*compose(shlex.split(identity.command)[2:])) == identity


@pytest.mark.slow
@pytest.mark.parametrize("data", ["snli", "sample", "csv data.validation=v.csv", "sst2 data.held_out=9"])
def test_selection_on_validation_is_accepted_where_there_is_a_validation_set(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_command(["task=text", *f"data={data}".split(), "trainer.selection=validation"])


@pytest.mark.parametrize(
    ("argument", "parts_of_the_answer"),
    [
        ("data=sst3", ["did you mean sst2"]),
        ("model=brt", ["did you mean bert"]),
        ("model=resnet18", ["for task=text", "bert, bilstm"]),
        ("data.text=[]", ["data.text=[]", "one column or two"]),
        ("data.text=premise", ["one column or two"]),
        ("data.classes=[one]", ["two or more"]),
        ("data.max_length=0", ["data.max_length=0", "≥ 4"]),
        ("data.vocabulary_size=10", ["≥ 100"]),
        ("data.tokens_per_batch=0", ["≥ 8"]),
        ("data.lowercase=maybe", ["true or false"]),
        ("model.dropout=1", ["< 1"]),
        ("model.layers=0", ["≥ 1"]),
        ("task.label_smoothing=1", ["< 1"]),
        ("data.augmentation=1", ["unknown key"]),
    ],
)
def test_a_wrong_argument_is_answered_with_what_is_accepted(argument, parts_of_the_answer):
    with pytest.raises(BadInput) as caught:
        check_command(["task=text", argument])
    for part in parts_of_the_answer:
        assert part in str(caught.value)


def test_selection_on_validation_is_refused_where_there_is_none():
    with pytest.raises(BadInput, match=r"or data\.held_out=…"):
        check_command(["task=text", "data=sst2", "trainer.selection=validation"])

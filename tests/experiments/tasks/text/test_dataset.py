"""The text sets: the bundled sample, files at hand, their absence, and parts that pose as the whole."""

import shutil

import pytest
import torch
from pyarrow import parquet

from experiments.configuration.composition import compose
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.tasks.text import dataset as text_sets


def data_of(word, *overrides):
    return validate(compose(["task=text", f"data={word}", *overrides])[0]).data


@pytest.fixture
def no_hub(monkeypatch):
    import datasets

    def unreachable(*_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(text_sets, "why_unreachable", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset", unreachable)


def test_the_sample_has_the_same_number_of_each_class():
    loaded = text_sets.load(data_of("sample"))
    counts = {name: torch.from_numpy(part.labels).bincount().tolist() for name, part in loaded.parts.items()}
    assert counts == {"train": [1000] * 3, "validation": [167] * 3, "test": [167] * 3}
    assert loaded.classes == ["entailment", "neutral", "contradiction"]
    assert loaded.notes == []


def test_the_sample_fits_its_limit_of_1_mb():
    assert sum(file.stat().st_size for file in text_sets.SAMPLE_DIR.iterdir()) < 1e6


def test_the_sample_holds_the_first_pairs_of_each_class_of_the_bundled_part():
    sample = text_sets.load(data_of("sample")).parts
    public = text_sets.load(data_of("snli_subset")).parts
    for part in ("train", "validation", "test"):
        for label in range(3):
            few, every = ((s[part].labels == label).nonzero()[0] for s in (sample, public))
            for place in (0, len(few) - 1):
                assert [c[few[place]] for c in sample[part].texts] == [c[every[place]] for c in public[part].texts]


def test_a_damaged_sample_is_named(tmp_path, monkeypatch):
    (tmp_path / "train.parquet").write_bytes(b"not a table")
    monkeypatch.setattr(text_sets, "SAMPLE_DIR", tmp_path)
    with pytest.raises(BadInput, match=r"train\.parquet.* is missing or damaged; .* git checkout"):
        text_sets.load(data_of("sample"))


def test_the_bundled_part_of_snli_is_read_without_a_folder_and_without_a_network(no_hub):
    snli = text_sets.load(data_of("snli_subset"))
    assert {name: len(part) for name, part in snli.parts.items()} == {"train": 38715, "validation": 9842, "test": 9824}
    assert snli.notes == [
        "158 of 10,000 rows of validation have no label and were dropped",
        "176 of 10,000 rows of test have no label and were dropped",
    ]


def test_sst2_has_the_sizes_that_its_paper_states(real_data):
    sst2 = text_sets.load(data_of("sst2", f"data.root={real_data / 'sst2'}"))
    assert {name: len(part) for name, part in sst2.parts.items()} == {"train": 67349, "test": 872}


def test_the_bundled_part_of_snli_fits_its_limit_of_3_mb():
    assert sum(file.stat().st_size for file in text_sets.SUBSET_DIR.iterdir()) < 3e6


def test_a_damaged_part_of_snli_is_named(tmp_path, monkeypatch):
    (tmp_path / "train-subset.parquet").write_bytes(b"not a table")
    monkeypatch.setattr(text_sets, "SUBSET_DIR", tmp_path)
    with pytest.raises(BadInput, match=r"train-subset\.parquet.* is missing or damaged; .* git checkout"):
        text_sets.load(data_of("snli_subset", f"data.root={tmp_path}"))


def test_a_part_of_a_set_is_refused_under_the_name_of_the_whole(tmp_path):
    for file in text_sets.SAMPLE_DIR.glob("*.parquet"):
        shutil.copy(file, tmp_path)
    with pytest.raises(BadInput, match=r"has 3,000 training rows, snli has 550,152; .* data=snli_subset"):
        text_sets.load(data_of("snli", f"data.root={tmp_path}"))


@pytest.mark.parametrize(("word", "reason"), [("snli", "no route to host"), ("sst2", "no route to host")])
def test_a_missing_set_that_cannot_be_downloaded_is_named_with_both_remedies_in_two_lines(
    tmp_path, no_hub, word, reason
):
    with pytest.raises(BadInput) as caught:
        text_sets.load(data_of(word, f"data.root={tmp_path}"))
    first, second = str(caught.value).split("\n")
    assert str(tmp_path) in first
    assert reason in first
    assert "data=sample" in second
    assert "data.root=" in second


@pytest.mark.parametrize("word", ["snli data.download=false", "snli_subset"])
def test_a_missing_set_that_must_not_be_downloaded_is_named_with_both_remedies(tmp_path, no_hub, word):
    word, *overrides = word.split()
    with pytest.raises(BadInput, match="data=sample") as caught:
        text_sets.load(data_of(word, f"data.root={tmp_path}", *overrides))
    assert "no route" not in str(caught.value)


def test_a_fetched_set_is_kept_under_root_and_read_from_there(tmp_path, monkeypatch):
    import datasets

    parts = {p: parquet.read_table(text_sets.SAMPLE_DIR / f"{p}.parquet") for p in ("train", "validation", "test")}
    asked = []

    def from_hub(name, configuration):
        asked.append((name, configuration))
        return {part: datasets.Dataset(table) for part, table in parts.items()}

    monkeypatch.setattr(text_sets, "why_unreachable", lambda: None)
    monkeypatch.setattr(datasets, "load_dataset", from_hub)
    data = data_of("snli", f"data.root={tmp_path}", "data.train_rows=3000")
    first, again = (text_sets.load(data) for _ in range(2))
    assert asked == [("stanfordnlp/snli", None)]
    assert first.parts["train"].texts == again.parts["train"].texts
    assert {file.name for file in tmp_path.iterdir() if file.suffix != ".lock"} == {
        "train.parquet",
        "validation.parquet",
        "test.parquet",
    }


@pytest.fixture
def csv_settings(tmp_path):
    """Settings of data=csv with three files of the given labels, one row each."""

    def write(train=("a", "b", "a", "b"), test=("b", "a")):
        for name, labels in (("train", train), ("test", test)):
            lines = [f"text {row},{label}" for row, label in enumerate(labels)]
            (tmp_path / f"{name}.csv").write_text("\n".join(["sentence,mood", *lines]) + "\n")
        files = [f"data.{name}={tmp_path / name}.csv" for name in ("train", "test")]
        return data_of("csv", *files, "data.text=[sentence]", "data.label=mood")

    return write


def test_any_files_give_a_set_with_the_classes_of_their_labels(csv_settings):
    loaded = text_sets.load(csv_settings())
    assert loaded.classes == text_sets.classes_of(csv_settings()) == ["a", "b"]
    assert loaded.parts["test"].labels.tolist() == [1, 0]


def test_a_part_of_train_can_be_held_out_for_validation(csv_settings):
    data = csv_settings().model_copy(update={"held_out": 1})
    assert {name: len(part) for name, part in text_sets.load(data).parts.items()} == {
        "train": 3,
        "test": 2,
        "validation": 1,
    }
    data = data.model_copy(update={"held_out": 4})
    with pytest.raises(BadInput, match=r"data\.held_out=4 is not accepted; accepted: a number below 4"):
        text_sets.load(data)
    data = data.model_copy(update={"validation": data.test})
    with pytest.raises(BadInput, match="both name a validation set"):
        text_sets.load(data)


def test_a_label_that_train_does_not_have_is_refused(csv_settings):
    with pytest.raises(BadInput, match=r"test\.csv, row 2: column 'mood' has the label 'c'.* accepted: a, b"):
        text_sets.load(csv_settings(test=("a", "c")))


def test_one_label_alone_is_no_classification(csv_settings):
    with pytest.raises(BadInput, match="has one label only, 'a'"):
        text_sets.classes_of(csv_settings(train=("a", "a")))


def test_files_must_be_named():
    with pytest.raises(BadInput, match=r"data\.train=null is not accepted; name your files: data\.train=FILE"):
        text_sets.load(data_of("csv"))

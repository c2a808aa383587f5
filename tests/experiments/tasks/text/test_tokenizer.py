"""The trained tokenizer: the same for the same text, kept in the cache, and what it does to words."""

import json
import subprocess
import sys

import pytest
from pyarrow import parquet
from tokenizers import Tokenizer

from experiments.errors import BadInput
from experiments.tasks.text import tokenizer as module
from experiments.tasks.text.dataset import SAMPLE_DIR
from experiments.tasks.text.tokenizer import pretrained_tokenizer, train_wordpiece, trained_tokenizer
from tests.conftest import ROOT

TEXTS = ["The cat sat on the mat.", "The dogs are sitting on mats", "Cats and dogs!", "Café au lait, sat"] * 3


def test_the_special_tokens_are_those_of_bert():
    trained = train_wordpiece(TEXTS, 200, lowercase=True)
    assert [trained.token_to_id(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")] == [0, 1, 2, 3]
    assert trained.encode("the cat", "sat").tokens == ["[CLS]", "the", "cat", "[SEP]", "sat", "[SEP]"]
    assert trained.encode("the cat", "sat").type_ids == [0, 0, 0, 0, 1, 1]


def test_words_are_cut_into_known_pieces_and_unknown_characters_are_unknown():
    trained = train_wordpiece(TEXTS, 60, lowercase=True)
    pieces = trained.encode("matdog", add_special_tokens=False).tokens
    assert "".join(piece.removeprefix("##") for piece in pieces) == "matdog"
    assert trained.encode("猫", add_special_tokens=False).tokens == ["[UNK]"]


@pytest.mark.parametrize(("lowercase", "same"), [(True, True), (False, False)])
def test_lower_casing_can_be_chosen(lowercase, same):
    trained = train_wordpiece(TEXTS, 200, lowercase)
    assert (trained.encode("CATS").ids == trained.encode("cats").ids) == same


def test_the_vocabulary_is_not_larger_than_asked_for():
    assert train_wordpiece(TEXTS, 100, lowercase=True).get_vocab_size() <= 100
    many = ["".join(chr(0x4E00 + 7 * i + j) for j in range(5)) for i in range(300)]
    assert train_wordpiece(many, 100, lowercase=True).get_vocab_size() <= 100


def test_another_process_learns_the_same_vocabulary():
    texts = parquet.read_table(SAMPLE_DIR / "test.parquet")["premise"].to_pylist()
    program = (
        "import json, sys; from experiments.tasks.text.tokenizer import train_wordpiece;"
        "print(train_wordpiece(json.load(sys.stdin), 1000, True).to_str())"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(texts), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == train_wordpiece(texts, 1000, lowercase=True).to_str()


def test_a_tokenizer_is_trained_once_for_the_same_texts_and_settings(tmp_path, monkeypatch):
    first = trained_tokenizer([TEXTS], 100, True, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "train_wordpiece", lambda *_: pytest.fail("it is in the cache"))
        again = trained_tokenizer([TEXTS], 100, True, tmp_path)
    assert again.backend.to_str() == first.backend.to_str()
    for texts, size, lowercase in ((TEXTS[1:], 100, True), (TEXTS, 101, True), (TEXTS, 100, False)):
        trained_tokenizer([texts], size, lowercase, tmp_path)
    assert len(list(tmp_path.glob("wordpiece-*"))) == 4


def test_a_half_written_tokenizer_is_trained_again(tmp_path):
    first = trained_tokenizer([TEXTS], 100, True, tmp_path)
    (file,) = tmp_path.glob("wordpiece-*/tokenizer.json")
    file.write_bytes(file.read_bytes()[:100])
    assert trained_tokenizer([TEXTS], 100, True, tmp_path).backend.to_str() == first.backend.to_str()


def test_a_pretrained_tokenizer_comes_from_a_folder(tmp_path):
    from transformers import PreTrainedTokenizerFast

    trained = train_wordpiece(TEXTS, 100, lowercase=True)
    PreTrainedTokenizerFast(tokenizer_object=trained, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(tmp_path)
    loaded = pretrained_tokenizer(str(tmp_path), "data.tokenizer")
    assert isinstance(loaded.backend, Tokenizer)
    assert loaded.backend.encode("the cat", "sat").ids == trained.encode("the cat", "sat").ids
    assert (loaded.vocabulary_size, loaded.padding_id) == (trained.get_vocab_size(), 0)


def test_a_pretrained_tokenizer_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"data\.tokenizer=.*missing: no tokenizer can be loaded"):
        pretrained_tokenizer(str(tmp_path / "missing"), "data.tokenizer")


def test_a_word_of_a_million_characters_is_left_out_and_changes_nothing_else():
    long = "ab" * 500_000
    with_it = train_wordpiece([*TEXTS, long, f"the cat, {long}! sat"], 200, lowercase=True)
    assert with_it.get_vocab() == train_wordpiece([*TEXTS, "the cat, ! sat"], 200, lowercase=True).get_vocab()
    assert with_it.encode(long, add_special_tokens=False).tokens == ["[UNK]"]


@pytest.mark.parametrize("text", ["x" * 101, "the " + "é" * 200, "a" + "-" * 200])
def test_only_texts_with_many_characters_in_a_row_are_looked_into(text):
    assert module.may_have_long_words(text)
    assert not module.may_have_long_words(text[:100])
    assert not module.may_have_long_words(" ".join(text))

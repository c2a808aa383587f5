"""Tokenizers: a WordPiece vocabulary trained on the training text, or that of a pretrained model."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from experiments.errors import BadInput, one_line
from experiments.tasks.text.cache import cached_folder, content_key
from experiments.tasks.text.hub import where_from

PADDING, UNKNOWN, FIRST, SEPARATOR = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""BERT's special tokens; their ids are their indices here."""

PADDING_ID = SPECIAL.index(PADDING)

LARGEST_ALPHABET = 1000
"""The most characters with their own word piece; a rarer one makes its word unknown."""

LONGEST_WORD = 100
"""Characters; WordPiece takes a longer word as unknown (BERT's limit), and learning from it would take for ever."""

_CONTINUATION = "##"
"""Prefix of a word piece that does not begin its word, as in BERT."""

_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer, with the properties that a model needs.

    Args:
        backend: turns one text or a pair into token ids, special tokens included.
        vocabulary_size: one more than the largest token id.
        padding_id: the padding token; models mask it out.
    """

    backend: Tokenizer
    vocabulary_size: int
    padding_id: int


def train_wordpiece(texts: Sequence[str], vocabulary_size: int, lowercase: bool) -> Tokenizer:
    """A BERT tokenizer (Schuster and Nakajima 2012; Devlin et al., arXiv 1810.04805) for `texts`.

    The same texts give the same vocabulary. `tokenizers` alone does not promise that: it numbers the
    continuations of characters in the order of a hash map and breaks ties by those numbers, so they
    are numbered here beforehand.

    Args:
        texts: what to learn from.
        vocabulary_size: word pieces at most, special tokens included; fewer where the text has no more.
        lowercase: make letters lower-case and remove accents.
    """
    learner = _blank(models.WordPiece(unk_token=UNKNOWN), lowercase)
    texts = [_without_long_words(text, learner) for text in texts]
    counts = Counter(character for text in texts for character in learner.normalizer.normalize_str(text))
    known = min(LARGEST_ALPHABET, (vocabulary_size - len(SPECIAL)) // 2)
    visible = [(-count, character) for character, count in counts.items() if not character.isspace()]
    alphabet = sorted(character for _, character in sorted(visible)[:known])
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[*SPECIAL, *(_CONTINUATION + character for character in alphabet)],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=_CONTINUATION,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    # A fresh tokenizer, in which the numbered continuations are ordinary word pieces.
    trained = _blank(
        models.WordPiece(learner.get_vocab(), unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD), lowercase
    )
    trained.add_special_tokens(list(SPECIAL))
    trained.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {SEPARATOR}",
        pair=f"{FIRST} $A {SEPARATOR} $B:1 {SEPARATOR}:1",
        special_tokens=[(token, SPECIAL.index(token)) for token in (FIRST, SEPARATOR)],
    )
    return trained


def may_have_long_words(text: str) -> bool:
    """Whether a text has more than `LONGEST_WORD` characters without a space between them."""
    return len(text) > LONGEST_WORD and re.search(rf"\S{{{LONGEST_WORD + 1}}}", text) is not None


def _without_long_words(text: str, learner: Tokenizer) -> str:
    """The text without the words, as the tokenizer cuts them, that are longer than `LONGEST_WORD`."""
    if not may_have_long_words(text):
        return text
    words = learner.pre_tokenizer.pre_tokenize_str(learner.normalizer.normalize_str(text))
    return " ".join(word for word, _ in words if len(word) <= LONGEST_WORD)


def _blank(model: models.Model, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def trained_tokenizer(
    columns: Sequence[Sequence[str]], vocabulary_size: int, lowercase: bool, cache: Path
) -> TextTokenizer:
    """`train_wordpiece` on all `columns` of text, cached in `cache` by texts and settings.

    Returns:
        A `TextTokenizer` whose `vocabulary_size` is the requested one, even if fewer pieces were found.

    Raises:
        BadInput: `cache` cannot be written.
    """
    texts = [text for column in columns for text in column]
    key = content_key(tokenizers.__version__, f"{vocabulary_size} {lowercase} {LARGEST_ALPHABET}", *texts)
    folder = cached_folder(
        cache,
        f"wordpiece-{key}",
        lambda part: train_wordpiece(texts, vocabulary_size, lowercase).save(str(part / _FILE)),
    )
    return TextTokenizer(Tokenizer.from_file(str(folder / _FILE)), vocabulary_size, PADDING_ID)


def pretrained_tokenizer(name: str, key: str) -> TextTokenizer:
    """The tokenizer of a pretrained model.

    Args:
        name: a folder that holds it, or its name on the Hugging Face hub.
        key: the configuration key that names it, for the error.

    Raises:
        BadInput: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(name, **where_from(name))
        backend = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
    except Exception as error:  # the hub's client and the tokenizers raise errors of many kinds
        raise BadInput(
            f"{key}={name}: no tokenizer can be loaded from there ({one_line(error)}); name a folder "
            "that holds tokenizer.json, or a model of the Hugging Face hub where there is a network"
        ) from error
    backend.no_truncation()
    backend.no_padding()
    return TextTokenizer(backend, max(backend.get_vocab().values()) + 1, loaded.pad_token_id or 0)

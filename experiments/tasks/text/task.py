"""Text classification: single sentences or pairs."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carelu import ActivationFactory
from experiments.configuration.schema import Config
from experiments.distributed.processes import all_reduce_sum
from experiments.errors import BadInput
from experiments.tasks.activation_sites import TextShape
from experiments.tasks.contract import Answer, Splits, Task, model_from_config
from experiments.tasks.fingerprint import fingerprint
from experiments.tasks.predictions import classified
from experiments.tasks.text import confusion
from experiments.tasks.text import dataset as text_sets
from experiments.tasks.text.batches import TextBatch, TextBatches, padded, tokenise
from experiments.tasks.text.bert import bert
from experiments.tasks.text.bilstm import BiLSTM
from experiments.tasks.text.dataset import TextSet
from experiments.tasks.text.labelled_texts import LabelledTexts, read_texts
from experiments.tasks.text.spec import SPEC
from experiments.tasks.text.tokenizer import (
    LONGEST_WORD,
    PADDING_ID,
    TextTokenizer,
    may_have_long_words,
    pretrained_tokenizer,
    trained_tokenizer,
)

MODELS = {"bert": bert, "bilstm": BiLSTM}
"""By `model.architecture`."""


class TextClassification(Task):
    """Classification of texts, evaluated by accuracy on the test texts."""

    spec = SPEC

    def __init__(self, config: Config):
        super().__init__(config)
        self.label_smoothing = config.task.label_smoothing
        self.data = config.data
        self.tokenizer_of = _pretrained_tokenizer_key(config)
        longest = padded(config.data.max_length)
        if config.data.tokens_per_batch < longest:
            raise BadInput(
                f"data.tokens_per_batch={config.data.tokens_per_batch} holds no text of data.max_length="
                f"{config.data.max_length} tokens; accepted: {longest} or more"
            )

    def chance(self) -> float:
        """The accuracy of guessing among the classes, in percent."""
        return 100 / len(self._classes)

    def data_fingerprint(self, config: Config) -> str:
        return fingerprint(text_sets.contents(config.data))

    def build_data(self, config: Config, device: torch.device) -> Splits:
        texts = self._set
        arrays = {
            name: tokenise(part, self._tokenizer, config.data.max_length, Path(config.data.cache))
            for name, part in texts.parts.items()
        }
        notes = list(texts.notes)
        for name, part in arrays.items():
            if part.truncated:
                notes.append(
                    f"{part.truncated:,} of {len(part):,} texts of {name} are longer than "
                    f"data.max_length={config.data.max_length} tokens and were cut"
                )
        long = sum(may_have_long_words(text) for column in texts.parts["train"].texts for text in column)
        if long and self.tokenizer_of is None:
            notes.append(
                f"{long:,} texts of train have more than {LONGEST_WORD} characters without a space; words of that "
                "length are unknown to the tokenizer"
            )
        trainer = config.trainer
        sizes = {name: trainer.batch_size if name == "train" else trainer.evaluation_batch_size for name in arrays}
        batches = {
            name: TextBatches(part, sizes[name], config.data.tokens_per_batch, self._tokenizer.padding_id, device)
            for name, part in arrays.items()
        }
        evaluation = {name: batches[name] for name in ("test", "validation") if name in batches}
        return Splits(batches["train"], evaluation, tuple(notes))

    def state_dict(self) -> dict[str, object]:
        """The tokenizer as its library writes it, and the names of the classes."""
        tokenizer = self._tokenizer
        return {
            "classes": list(self._classes),
            "vocabulary_size": tokenizer.vocabulary_size,
            "padding_id": tokenizer.padding_id,
            "tokenizer": tokenizer.backend.to_str(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        if state:
            backend = tokenizers.Tokenizer.from_str(state["tokenizer"])
            self._tokenizer = TextTokenizer(backend, state["vocabulary_size"], state["padding_id"])
            self._classes = list(state["classes"])

    def build_evaluation(self, config: Config, device: torch.device) -> dict[str, Iterable[TextBatch]]:
        """Texts in the tokens and classes of this task's run, whatever the data are."""
        data, own = config.data, self.config.data
        if len(data.text) != len(own.text):
            raise BadInput(
                f"data.text=[{','.join(data.text)}] is not accepted for a model of {_texts(own.text)}; "
                f"accepted: {_texts(own.text)}, one column each"
            )
        if data.max_length > own.max_length:
            raise BadInput(
                f"data.max_length={data.max_length} is more than the {own.max_length} tokens of the model; "
                f"add data.max_length={own.max_length}"
            )
        parts = text_sets.load_evaluation(data, self._classes)
        return {name: self._batches(part, config, device) for name, part in parts.items()}

    def predict(self, model: nn.Module, files: Sequence[Path], out: Path) -> list[Answer]:
        """The most likely class of each text.

        A .txt file holds one text a line, of a pair with a tab between; CSV and Parquet have the columns of the run.
        """
        device, answers = next(model.parameters()).device, []
        for file in files:
            columns = read_texts(file, self.config.data.text)
            batches = self._batches(LabelledTexts(columns, np.zeros(len(columns[0]), np.int64)), self.config, device)
            logits = torch.cat([model(batch.tokens, batch.segments, batch.mask).float().cpu() for batch in batches])
            best, labels = logits.softmax(1)[torch.from_numpy(np.argsort(batches.places))].max(1)
            for row, (label, probability) in enumerate(zip(labels.tolist(), best.tolist(), strict=True), start=1):
                answers.append(Answer(f"{file}:{row}", self._classes[label], probability))
        return answers

    def _batches(self, part: LabelledTexts, config: Config, device: torch.device) -> TextBatches:
        """The texts of a part of an evaluation set, as batches."""
        arrays = tokenise(part, self._tokenizer, config.data.max_length, Path(config.data.cache))
        tokens = max(config.data.tokens_per_batch, padded(config.data.max_length))
        return TextBatches(arrays, config.trainer.evaluation_batch_size, tokens, self._tokenizer.padding_id, device)

    def build_model(self, config: Config, activation: ActivationFactory) -> nn.Module:
        shape = TextShape(
            vocabulary_size=self._vocabulary_size,
            padding_id=self._padding_id,
            max_length=padded(config.data.max_length),
            texts=len(config.data.text),
            classes=len(self._classes),
        )
        return model_from_config(MODELS, config, activation=activation, shape=shape)

    def loss(self, model: nn.Module, batch: TextBatch) -> tuple[Tensor, dict[str, Tensor], int]:
        logits = model(batch.tokens, batch.segments, batch.mask)
        accuracy = (logits.detach().argmax(1) == batch.labels).float().mean() * 100
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=self.label_smoothing)
        return loss, {"accuracy": accuracy}, len(batch.labels)

    def evaluate(self, model: nn.Module, batches: Iterable[TextBatch]) -> dict[str, float]:
        """Accuracy and macro_f1 in percent, loss as mean cross-entropy in nats, over all texts."""
        matrix, cross_entropy = all_reduce_sum(*self._confusion(model, batches))
        return {
            "accuracy": confusion.accuracy(matrix),
            "macro_f1": confusion.macro_f1(matrix),
            "loss": float(cross_entropy) / int(matrix.sum()),
        }

    def write_artifacts(self, model: nn.Module, splits: Splits, folder: Path) -> list[Path]:
        matrix, _ = self._confusion(model, splits.evaluation["test"])
        return confusion.write(matrix, self._classes, folder)

    def predictions(self, model: nn.Module, batches: TextBatches) -> dict[str, np.ndarray]:
        def outcome(batch: TextBatch) -> tuple[Tensor, Tensor]:
            return model(batch.tokens, batch.segments, batch.mask).float().argmax(1), batch.labels

        return classified(batches, outcome, len(self._classes), batches.places)

    def _confusion(self, model: nn.Module, batches: Iterable[TextBatch]) -> tuple[Tensor, Tensor]:
        """(the confusion matrix, the sum of the cross-entropies) over the texts of `batches`."""
        classes = len(self._classes)
        matrix, total = torch.zeros(classes, classes, dtype=torch.int64), torch.zeros((), dtype=torch.float64)
        for batch in batches:
            logits = model(batch.tokens, batch.segments, batch.mask).float()
            counts = confusion.confusion_matrix(batch.labels, logits.argmax(1), classes)
            cross_entropy = F.cross_entropy(logits, batch.labels, reduction="sum")
            matrix, total = matrix.to(counts.device) + counts, total.to(counts.device) + cross_entropy
        return matrix.cpu(), total.cpu()

    # Loaded lazily: if the configuration suffices to build the model, its errors show before any text is read.

    @cached_property
    def _set(self) -> TextSet:
        return text_sets.load(self.data)

    @cached_property
    def _classes(self) -> list[str]:
        return text_sets.classes_of(self.data)

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        if self.tokenizer_of is not None:
            return pretrained_tokenizer(*self.tokenizer_of)
        return trained_tokenizer(
            self._set.parts["train"].texts, self.data.vocabulary_size, self.data.lowercase, Path(self.data.cache)
        )

    @property
    def _vocabulary_size(self) -> int:
        return self.data.vocabulary_size if self.tokenizer_of is None else self._tokenizer.vocabulary_size

    @property
    def _padding_id(self) -> int:
        return PADDING_ID if self.tokenizer_of is None else self._tokenizer.padding_id


def _texts(columns: Sequence[str]) -> str:
    return "single texts" if len(columns) == 1 else "pairs of texts"


def _pretrained_tokenizer_key(config: Config) -> tuple[str, str] | None:
    """(where a pretrained tokenizer is, the key that says so), or None where one is to be trained."""
    if config.data.tokenizer is not None:
        return config.data.tokenizer, "data.tokenizer"
    pretrained = getattr(config.model, "pretrained", None)
    return None if pretrained is None else (pretrained, "model.pretrained")


TASK = TextClassification

"""What text classification tells the suite of itself, without torch: metrics, margin, options."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from experiments.configuration.options import (
    LARGEST,
    Count,
    DataOptions,
    Depth,
    Folder,
    HubName,
    ModelOptions,
    Name,
    Names,
    NonNegativeInteger,
    PathName,
    Share,
    TaskOptions,
    Text,
)
from experiments.configuration.task_spec import PADDED, Benchmark, Metric, TaskSpec


class TextOptions(TaskOptions):
    """`task.*`."""

    label_smoothing: Share


class TextData(DataOptions):
    """`data.*` of every source."""

    train: PathName | None
    validation: PathName | None
    test: PathName | None
    train_rows: Count | None
    text: Annotated[
        Names, Field(min_length=1, max_length=2, description="one column or two, like [premise,hypothesis]")
    ]
    label: Annotated[Text, Field(description="the name of a column")]
    classes: Annotated[Names, Field(min_length=2, description="a list of two or more different names")] | None
    unlabelled: Annotated[int | str | None, Field(description="a label or null")]
    drop_empty: bool
    tokenizer: HubName | None
    vocabulary_size: Annotated[int, Field(ge=100, le=10_000_000)]
    lowercase: bool
    max_length: Annotated[int, Field(ge=4, le=1_000_000)]
    tokens_per_batch: Annotated[int, Field(ge=8, le=LARGEST)]
    cache: Folder

    def validation_keys(self) -> dict[str, bool]:
        return {"data.validation": self.validation is not None}


class TextDataWithHeldOut(TextData):
    """`data.*` of the sources that can keep a part of train aside."""

    held_out: NonNegativeInteger

    def validation_keys(self) -> dict[str, bool]:
        return {**super().validation_keys(), "data.held_out": self.held_out > 0}


class FilesData(TextDataWithHeldOut):
    """`data.*` of files that the user names one by one."""

    def locations(self) -> tuple[str, ...]:
        return ("data.train", "data.validation", "data.test")


class SampleData(TextData):
    """`data.*` of the bundled sample."""

    root: Folder


class FolderData(TextDataWithHeldOut):
    """`data.*` of files under one folder, which the hub may have."""

    root: Folder
    hub: Name | None
    hub_config: Name | None
    download: bool


class BertOptions(ModelOptions):
    """`model.*` of BERT."""

    width: Count
    layers: Depth
    head_size: Count
    feed_forward_factor: Count
    dropout: Share
    pretrained: HubName | None


class BiLSTMOptions(ModelOptions):
    """`model.*` of the BiLSTM."""

    width: Count
    layers: Depth
    mlp_layers: Depth
    dropout: Share


def _accuracy_of_guessing(config: Mapping[str, Any]) -> float | None:
    """Of guessing among the classes, which the configuration may leave to the data."""
    data = config.get("data")
    classes = data.get("classes") if isinstance(data, Mapping) else None
    return 100 / len(classes) if isinstance(classes, list) and classes else None


SPEC = TaskSpec(
    name="text",
    title="Text classification",
    headline="accuracy",
    metrics={
        "accuracy": Metric(
            "accuracy", "%", 2, higher_is_better=True, best_possible=100.0, chance_of=_accuracy_of_guessing
        ),
        "macro_f1": Metric("macro F1", "%", 2, higher_is_better=True, best_possible=100.0),
        "loss": Metric("loss", "", 4, higher_is_better=False, best_possible=0.0),
    },
    margin=0.5,
    task=TextOptions,
    data={"sample": SampleData, "folder": FolderData, "files": FilesData},
    models={"bert": BertOptions, "bilstm": BiLSTMOptions},
    benchmark=Benchmark(
        "tokens",
        lambda batch: batch.mask.sum(),
        data={
            "snli/train.parquet": ("data=snli", "data.root={root}/snli"),
            "snli/train-subset.parquet": ("data=snli_subset", "data.root={root}/snli"),
        },
        reference_loop=PADDED,
        targets={"speedup": 3, "speedup_on_gpu": 3},
    ),
    model_titles={"bert": "BERT", "bilstm": "BiLSTM"},
    data_titles={
        "snli": "SNLI",
        "snli-sample": "SNLI (sample)",
        "snli-38.7k-subset": "SNLI (38.7k subset)",
        "sst2-dev": "SST-2 (dev)",
    },
    libraries=("transformers", "tokenizers"),
)

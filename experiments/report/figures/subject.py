"""The input of all figures: the evidence, the baseline, a look for each activation, a name for each setting."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.analysis.comparison import Entry, compare
from experiments.analysis.evidence import Evidence
from experiments.analysis.metrics import describe_metric
from experiments.analysis.runs import SETTING_LABELS, Run, Setting, activations_of
from experiments.configuration.task_spec import Metric
from experiments.errors import unknown
from experiments.report.figures.style import Look, looks
from experiments.report.names import data_name, model_name
from experiments.report.tables import file_name


@dataclass(frozen=True)
class Subject:
    """The evidence as every figure sees it."""

    evidence: Evidence
    baseline: str
    looks: dict[str, Look]
    """By label of the activation."""
    stems: dict[Setting, str]
    """The start of the names of a setting's files."""
    named: tuple[str, ...] = ()
    """The activations that the figures are about, beside the baseline; empty: all."""

    @classmethod
    def of(
        cls, evidence: Evidence, baseline: str, part: Evidence | None = None, named: tuple[str, ...] = ()
    ) -> "Subject":
        """The subject of all evidence, or of a part of it with the same looks.

        Raises:
            BadInput: one of the named activations is in none of the runs.
        """
        acts = activations_of(evidence.runs, baseline)
        for name in named:
            if not any(_is_of(act, (name,)) for act in acts):
                raise unknown("subject", name, acts)
        part = part or evidence
        return cls(part, baseline, looks(acts), _stems(part.settings()), named)

    def shows(self, act: str) -> bool:
        """Whether the figures show an activation."""
        return not self.named or act == self.baseline or _is_of(act, self.named)

    def acts(self) -> list[str]:
        """The labels of all activations shown, the baseline first."""
        return [act for act in activations_of(self.evidence.runs, self.baseline) if self.shows(act)]

    def runs(self, setting: Setting) -> dict[str, list[Run]]:
        """The runs of a setting by activation shown, the baseline first."""
        return {act: runs for act, runs in self.evidence.of(setting, self.baseline).items() if self.shows(act)}

    def headline(self, setting: Setting) -> tuple[str, Metric]:
        """The headline metric of a setting: its column and what it is."""
        name = next(run.metric for run in self.evidence.runs if run.setting == setting)
        return name, describe_metric(setting.task, name)

    def entries(self, setting: Setting, metric: str) -> list[Entry]:
        """The activations shown that have the metric, the baseline first; judged as among all of the setting."""
        entries = compare(self.evidence, setting, metric, self.baseline)
        return [entry for entry in entries if entry.values and self.shows(entry.act)]


def _is_of(act: str, names: Sequence[str]) -> bool:
    """Whether a label is one of the names, or one of them with options."""
    return act in names or act.partition("(")[0] in names


def finished(runs: Sequence[Run]) -> list[Run]:
    """The runs that reached their end."""
    return [run for run in runs if run.status == "finished"]


def describe(setting: Setting) -> str:
    """A setting as a sentence of a caption."""
    conditions = f"recipe {setting.recipe_label}, {setting.device_label}, {setting.precision}"
    return f"{model_name(setting)} on {data_name(setting)}, {conditions}."


def joined(*sentences: str) -> str:
    """Sentences as a caption; none of them empty."""
    return " ".join(sentence for sentence in sentences if sentence)


_LEVELS = (
    ("task", "recipe_label"),
    ("task", "recipe_label", "model_label"),
    ("task", "recipe_label", "data_label"),
    ("task", "recipe_label", "data_label", "model_label"),
)


def _stems(settings: Sequence[Setting]) -> dict[Setting, str]:
    """The shortest unique name of a setting: task and recipe, with the model, with the data, with both, with all."""
    levels = (*_LEVELS, SETTING_LABELS)
    stems = {}
    for setting in settings:
        for fields in levels:
            stem, *others = (
                _joined(each, fields) for each in (setting, *(other for other in settings if other != setting))
            )
            if stem not in others:
                break
        stems[setting] = stem
    return stems


def _joined(setting: Setting, fields: Sequence[str]) -> str:
    return "_".join(filter(None, (file_name(getattr(setting, field)) for field in fields)))

"""The table of all values that a tuning tried."""

from collections.abc import Collection, Mapping

from experiments.analysis.comparison import values_by_seed
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import with_deviation
from experiments.analysis.provenance import describe_conditions, describe_runs, run_commands
from experiments.analysis.runs import Run, Setting
from experiments.analysis.statistics import summarise
from experiments.analysis.tuning import Trials, Tuning
from experiments.report.names import data_name, model_name
from experiments.report.table import CSV, RESULT, Block, Cell, Column, Table

_PRINTED = (RESULT, CSV)


def tuning_table(tuning: Tuning, task: str, settings: Collection[Setting]) -> Table:
    """All tried values for every activation of a task in `settings`, without the table's command."""
    tried = {setting: acts for setting, acts in tuning.trials.items() if setting.task == task and setting in settings}
    runs = [run for acts in tried.values() for run in _all_runs(acts)]
    heading = describe_metric(task, runs[0].metric).heading
    columns = (
        *(Column(key, key, (CSV,), numeric=False) for key in Setting.__dataclass_fields__),
        Column("activation", "activation", _PRINTED, numeric=False),
        Column("tuned_value", tuning.key, _PRINTED),
        Column("n", "seeds", _PRINTED),
        Column("validation_mean", f"validation: {heading}", _PRINTED),
        Column("validation_sd", "validation_sd"),
        Column("test_mean", f"test: {heading}", _PRINTED),
        Column("test_sd", "test_sd"),
        Column("chosen", "chosen", _PRINTED, numeric=False),
    )
    blocks = []
    for setting, acts in tried.items():
        rows = [
            _row(setting, act, value, of_value, tuning.chosen[setting, act] == value)
            for act, trials in acts.items()
            for value, of_value in trials.items()
        ]
        caption = f"{describe_conditions(setting)}. {describe_runs(_all_runs(acts))}."
        title = f"Values of {tuning.key}: {model_name(setting)} on {data_name(setting)}"
        blocks.append(Block(title, caption, tuple(rows), tuning.notes[setting]))
    return Table(
        name=f"{task}_values",
        title=f"{task}: every value of {tuning.key} that was tried",
        caption=f"Mean ± standard deviation over seeds. Chosen is {tuning.rule}. The test column took no part in it.",
        columns=columns,
        blocks=tuple(blocks),
        notes=(),
        commands=run_commands(runs),
        task=task,
    )


def _all_runs(acts: Mapping[str, Trials]) -> list[Run]:
    return [run for trials in acts.values() for runs in trials.values() for run in runs]


def _row(setting: Setting, act: str, value: str, runs: list[Run], chosen: bool) -> tuple[Cell, ...]:
    metric = runs[0].metric
    finished = sum(run.status == "finished" for run in runs)
    of_all = "" if finished == len(runs) else f" of {len(runs)}"
    return (
        *(Cell(text, text) for text in (getattr(setting, key) for key in Setting.__dataclass_fields__)),
        Cell(act, act),
        Cell(value, value),
        Cell(f"{finished}{of_all}", finished),
        *_spread(runs, f"validation/{metric}"),
        *_spread(runs, metric),
        Cell("chosen" if chosen else "", str(chosen)),
    )


def _spread(runs: list[Run], metric: str) -> tuple[Cell, Cell]:
    summary = summarise(list(values_by_seed(runs, metric).values()))
    mean = summary.mean if summary.n else None
    decimals = describe_metric(runs[0].setting.task, metric).decimals
    return Cell(with_deviation(mean, summary.sd, decimals), mean), Cell("", summary.sd)

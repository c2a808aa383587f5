"""The table of times to a verdict: what it took until each comparison was decided, or what it should still take."""

from experiments.analysis.comparison import compare, metrics_shown
from experiments.analysis.evidence import Evidence
from experiments.analysis.numbers import ABSENT, fixed
from experiments.analysis.provenance import describe_conditions, describe_runs, run_commands
from experiments.analysis.runs import Setting
from experiments.analysis.time_to_verdict import TimeToVerdict, time_to_verdict
from experiments.report.names import activation_name, data_name, model_name, task_name
from experiments.report.table import CSV, RESULT, Block, Cell, Column, Table

_PRINTED = (RESULT, CSV)


def time_table(evidence: Evidence, baseline: str) -> Table | None:
    """A block for each setting, by the headline on the test set, without the table's own command.

    None where there is no pair of runs.
    """
    found = {setting: _times(evidence, setting, baseline) for setting in evidence.settings()}
    if not any(found.values()):
        return None
    columns = (
        *(Column(key, key, (CSV,), numeric=False) for key in Setting.__dataclass_fields__),
        Column("activation", "activation", _PRINTED, numeric=False),
        Column("verdict", "first verdict", _PRINTED, numeric=False),
        Column("pairs", "pairs", _PRINTED),
        Column("hours", "hours", _PRINTED),
        Column("pairs_needed", "pairs that would decide", _PRINTED),
        Column("hours_needed", "hours of these", _PRINTED),
        Column("pairs_made", "pairs made", _PRINTED),
    )
    return Table(
        name="time_to_verdict",
        title=f"Time to verdict: until each comparison with {activation_name(baseline)} was decided",
        caption=(
            "Pairs and hours until the first verdict, at the level that the activations of a block share today; of an "
            "undecided comparison, until now. Hours: the wall time of both runs of each pair, evaluation included, one "
            "after another on the devices named. Seeds are taken in ascending order. Pairs that would decide: in all, "
            "if mean and spread stay as they are; no number where it is decided, and where there are too few pairs to "
            "tell."
        ),
        columns=columns,
        blocks=tuple(_block(evidence, setting, times) for setting, times in found.items() if times),
        notes=(
            f"One comparison alone takes so long; several share the runs of {activation_name(baseline)}. These are "
            "times of the training runs, which other work on the machine can disturb; they are not a benchmark.",
        ),
        commands=run_commands(evidence.runs),
    )


def _times(evidence: Evidence, setting: Setting, baseline: str) -> list[TimeToVerdict]:
    metric, *_ = metrics_shown(evidence, setting, None)
    entries = compare(evidence, setting, metric, baseline)
    base = [entry for entry in entries if entry.act == baseline]
    times = [time_to_verdict(entry, each, metric) for each in base for entry in entries if entry is not each]
    return [time for time in times if time is not None]


def _block(evidence: Evidence, setting: Setting, times: list[TimeToVerdict]) -> Block:
    runs = [run for run in evidence.runs if run.setting == setting]
    return Block(
        title=f"Time to verdict, {task_name(setting.task)}: {model_name(setting)} on {data_name(setting)}",
        caption=f"{describe_conditions(setting)}. {describe_runs(runs)}.",
        rows=tuple(_row(setting, time) for time in times),
    )


def _row(setting: Setting, time: TimeToVerdict) -> tuple[Cell, ...]:
    needed, hours_needed = time.pairs_needed, time.hours_needed
    return (
        *(Cell(str(value := getattr(setting, key)), value) for key in Setting.__dataclass_fields__),
        Cell(activation_name(time.act), time.act),
        Cell(time.verdict.word, time.verdict.word),
        Cell(str(time.pairs), time.pairs),
        Cell(fixed(time.hours, 2), time.hours),
        Cell(ABSENT if needed is None else f"{needed:,}", needed),
        Cell(ABSENT if hours_needed is None else fixed(hours_needed, 1), hours_needed),
        Cell(str(time.pairs_made), time.pairs_made),
    )

"""The cost of each activation: parameters, time of a step and peak memory, relative to the baseline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from experiments.analysis.evidence import Evidence
from experiments.analysis.numbers import ABSENT, fixed
from experiments.analysis.provenance import describe_conditions, describe_runs, run_commands
from experiments.analysis.runs import Run, Setting
from experiments.report.names import activation_name, data_name, model_name, task_name
from experiments.report.table import CSV, RESULT, Block, Cell, Column, Table

_PRINTED = (RESULT, CSV)


@dataclass(frozen=True)
class Ratio:
    """Activation over baseline: median and range over the pairs."""

    n: int
    middle: float
    low: float
    high: float


def cost_table(evidence: Evidence, baseline: str) -> Table:
    """A block for each setting, without the table's own command."""
    columns = (
        *(Column(key, key, (CSV,), numeric=False) for key in Setting.__dataclass_fields__),
        Column("activation", "activation", _PRINTED, numeric=False),
        Column("parameters", "parameters", _PRINTED),
        Column("further_parameters", f"more than {activation_name(baseline)}", _PRINTED),
        Column("pairs", "pairs", _PRINTED),
        Column("step_milliseconds", "ms a step", _PRINTED),
        Column("time_ratio", "time ratio", _PRINTED),
        *(Column(key, key) for key in ("time_ratio_low", "time_ratio_high")),
        Column("peak_memory_mib", "peak memory, MiB", _PRINTED),
        Column("memory_ratio", "memory ratio", _PRINTED),
        *(Column(key, key) for key in ("memory_ratio_low", "memory_ratio_high")),
    )
    return Table(
        name="cost",
        title="Cost: parameters, time of a step, peak memory",
        caption=(
            f"Ratios to {activation_name(baseline)}: median (smallest – largest) over pairs of runs with the same "
            "seed, device and number of threads. These are times of the training runs, which other work on the machine "
            "can disturb; they are not a benchmark."
        ),
        columns=columns,
        blocks=tuple(_block(evidence, setting, baseline) for setting in evidence.settings()),
        notes=(
            "Milliseconds a step and peak memory: medians over the finished runs. Peak memory: allocated memory on a "
            "GPU, resident memory of the process on a CPU.",
        ),
        commands=run_commands(evidence.runs),
    )


def _block(evidence: Evidence, setting: Setting, baseline: str) -> Block:
    finished = {
        act: [run for run in runs if run.status == "finished"] for act, runs in evidence.of(setting, baseline).items()
    }
    base = finished.get(baseline, [])
    unpaired = [act for act, runs in finished.items() if base and runs and not pairs(runs, base)]
    every = [run for runs in finished.values() for run in runs]
    devices = sorted({run.full_device for run in every})
    return Block(
        title=f"Cost, {task_name(setting.task)}: {model_name(setting)} on {data_name(setting)}",
        caption=f"{describe_conditions(setting)}. {describe_runs(every)}. On {', '.join(devices)}.",
        rows=tuple(_row(setting, act, runs, base, act == baseline) for act, runs in finished.items()),
        notes=tuple(
            f"{activation_name(act)}: no ratios, since {activation_name(baseline)} has no run with the same seed, "
            "device and number of threads."
            for act in unpaired
        ),
    )


def pairs(runs: Sequence[Run], base: Sequence[Run]) -> list[tuple[Run, Run]]:
    """(run, baseline run) with the same seed, device and number of threads."""
    partners = {(run.seed, run.full_device): run for run in base}
    return [(run, partners[key]) for run in runs if (key := (run.seed, run.full_device)) in partners]


def ratio(runs: Sequence[Run], base: Sequence[Run], measure: Callable[[Run], float]) -> Ratio | None:
    """Of a measure, over the pairs; None if there are none or the baseline is 0."""
    ratios = [measure(run) / measure(partner) for run, partner in pairs(runs, base) if measure(partner)]
    return Ratio(len(ratios), median(ratios), min(ratios), max(ratios)) if ratios else None


def _row(setting: Setting, act: str, runs: list[Run], base: list[Run], is_baseline: bool) -> tuple[Cell, ...]:
    parameters = runs[0].parameters if runs else None
    further = parameters - base[0].parameters if runs and base else None
    paired = len(pairs(runs, base))
    return (
        *(Cell(text, text) for text in (getattr(setting, key) for key in Setting.__dataclass_fields__)),
        Cell(activation_name(act), act),
        Cell(ABSENT if parameters is None else f"{parameters:,}", parameters),
        Cell(ABSENT if further is None or is_baseline else fixed(further, 0, signed=True), further),
        Cell(str(paired), paired),
        *_measure(runs, base, is_baseline, lambda run: run.step_milliseconds),
        *_measure(runs, base, is_baseline, lambda run: run.peak_memory_mib),
    )


def _measure(
    runs: list[Run], base: list[Run], is_baseline: bool, measure: Callable[[Run], float]
) -> tuple[Cell, Cell, Cell, Cell]:
    """The median, and the ratio to the baseline with its range."""
    middle = median(measure(run) for run in runs) if runs else None
    to_base = ratio(runs, base, measure)
    cells = [Cell("", getattr(to_base, key, None)) for key in ("low", "high")]
    return Cell(fixed(middle, 0), middle), _ratio_cell(to_base, is_baseline), *cells


def _ratio_cell(to_base: Ratio | None, is_baseline: bool) -> Cell:
    if to_base is None:
        return Cell(ABSENT)
    if is_baseline:
        return Cell("1", 1.0)
    around = f" ({to_base.low:.2f} – {to_base.high:.2f})" if to_base.n > 1 else ""
    return Cell(f"{to_base.middle:.2f}{around}", to_base.middle)

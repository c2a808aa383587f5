"""The terminal output of a run: a header, progress, and a panel at the end. Nothing here changes a result."""

import math
import shlex
import time
from collections.abc import Collection, Mapping

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from experiments.analysis.metrics import describe_metric, difference_unit
from experiments.analysis.numbers import fixed, plural
from experiments.configuration.identity import Identity
from experiments.configuration.task_spec import Metric

BASELINE = "relu"
"""What a run is compared with at its end."""

_LINE_SECONDS = 60.0
"""Between two lines within an epoch, where the output is not a terminal."""


class Display:
    """Shows one run: a progress bar on a terminal; otherwise a line for each epoch, and for each minute of a long one.

    Args:
        console: where to print; None: the standard output.
        quiet: print nothing, as in all but the main process of a distributed run.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False):
        self.console = console or Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)
        self._progress: Progress | None = None
        self._shown_at = 0.0
        self._began_at, self._began_with, self._total, self._line_at = 0.0, 0, 0, math.inf

    def header(self, identity: Identity, parameters: int, device: str, precision: str, resumed_at: str) -> None:
        """Prints the run's configuration, its device and its directory."""
        rows = [
            ("task", f"{identity.task}, recipe {identity.recipe}"),
            ("activation", identity.act),
            ("model", f"{identity.model}, {parameters:,} parameters"),
            ("data", identity.data),
            ("device", f"{device}, {precision}"),
            ("seed", str(identity.seed)),
            ("directory", str(identity.directory)),
        ]
        if resumed_at:
            rows.append(("resumed", resumed_at))
        self.console.print(Group(*(Text.assemble((f"{name:<11}", "bold"), value) for name, value in rows)))

    def start(self, total_steps: int, done_steps: int) -> None:
        """Opens the progress bar, or starts the clock of the lines."""
        self._began_at = self._line_at = time.monotonic()
        self._began_with, self._total = done_steps, total_steps
        if self.console.is_terminal and not self.console.quiet:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[values]}"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._progress.start()
            self._bar = self._progress.add_task("", total=total_steps, completed=done_steps, values="")

    def wants_step(self) -> bool:
        """Whether the bar or a line is due (reading a loss from an accelerator costs a synchronisation)."""
        now = time.monotonic()
        if self.console.quiet or self._progress is None:
            return not self.console.quiet and now - self._line_at >= _LINE_SECONDS
        if now - self._shown_at < 0.5:
            return False
        self._shown_at = now
        return True

    def step(self, done_steps: int, epoch: int, epochs: int, values: dict[str, float]) -> None:
        """Updates the progress bar, or prints a line where one is due."""
        if not self._progress:
            if self.wants_step():
                self._line(done_steps, epoch, epochs, values)
            return
        self._progress.update(
            self._bar,
            completed=done_steps,
            description=f"epoch {epoch}/{epochs}",
            values=_formatted(values),
        )

    def _line(self, done_steps: int, epoch: int, epochs: int, values: dict[str, float]) -> None:
        """Prints how far an epoch has come and an estimate of the time left, from the steps since `start`."""
        now = self._line_at = time.monotonic()
        per_step = (now - self._began_at) / max(1, done_steps - self._began_with)
        left = duration((self._total - done_steps) * per_step)
        steps = f"step {done_steps:,} of {self._total:,}"
        self.console.print(f"epoch {epoch:>3}/{epochs}  {steps}  {_formatted(values)}, about {left} left")

    def epoch(
        self, record: dict[str, object], epochs: int, headline: str, seconds_left: float, selection: str = "last"
    ) -> None:
        """Prints one line for a completed epoch.

        Args:
            record: of metrics.jsonl.
            epochs: of the run.
            headline: name of the headline metric.
            seconds_left: an estimate; 0 at the end.
            selection: as in `trainer`. Where the validation set selects, its values stand in place of the test set's,
                which nobody should choose by.
        """
        chosen_by = "validation/" if selection == "validation" else ""
        shown = [chosen_by + headline, f"{chosen_by}loss", "train/loss", f"train/{headline}"]
        values = {key: record[key] for key in dict.fromkeys(shown) if key in record}
        line = f"epoch {record['epoch']:>3}/{epochs}  {_formatted(values)}  {duration(record['seconds'])}"
        if seconds_left > 0:
            line += f", about {duration(seconds_left)} left"
        self.console.print(line)
        self._line_at = time.monotonic()

    def stop(self) -> None:
        """Closes the progress bar."""
        if self._progress:
            self._progress.stop()
            self._progress = None

    def result(
        self,
        identity: Identity,
        result: dict[str, object],
        again: bool = False,
        differences: Mapping[str, float] | None = None,
    ) -> None:
        """Prints the panel at the end: headline and cost; and the command of the baseline where that is missing.

        Args:
            identity: the run.
            result: the content of its result.json.
            again: whether it was there before.
            differences: its headline minus that of its counterparts, by their activation.
        """
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        if result["status"] == "finished":
            _add_headline(table, identity.task, result, differences or {})
        else:
            table.add_row("status", Text.assemble((result["status"], "bold red"), f": {result['reason']}"))
        if result.get("steps", 0) == identity.overrides.get("trainer.max_steps"):
            epochs = f"{result['epochs']:g} epoch{'' if result['epochs'] == 1 else 's'}"
            table.add_row("steps", f"{result['steps']:,} ({epochs}): it stopped there, as trainer.max_steps says")
        table.add_row("time", f"{duration(result['wall_seconds'])}, {result['step_milliseconds']:.1f} ms per step")
        table.add_row("peak memory", f"{result['peak_memory_mib']:,.0f} MiB")
        table.add_row("directory", str(identity.directory))
        title = f"{identity.task} · {identity.act} · seed {identity.seed}" + (" · already done" if again else "")
        self.console.print(Panel(table, title=Text(title), title_align="left", expand=False))
        if result["status"] == "finished" and identity.act != BASELINE and BASELINE not in (differences or {}):
            self.console.print(f"compare with: {_with_baseline(identity)}")

    def note(self, message: str) -> None:
        """Prints one line."""
        self.console.print(message)


def _with_baseline(identity: Identity) -> str:
    """The command of the same run with the baseline."""
    words = [word for word in shlex.split(identity.command) if not word.startswith("act.")]
    words = [f"act={BASELINE}" if word.startswith("act=") else word for word in words]
    return shlex.join(words + identity.elsewhere)


def _add_headline(table: Table, task: str, result: Mapping[str, object], differences: Mapping[str, float]) -> None:
    """The rows of the headline: value and unit, what it is measured against, differences to the counterparts."""
    name = result["headline_metric"]
    metric = describe_metric(task, name)
    value = f"{fixed(result['headline_value'], metric.decimals)} {metric.unit}".rstrip()
    table.add_row(
        name,
        Text.assemble((value, "bold green"), _reference(metric, result.get(f"bicubic_{name}"), result.get("chance"))),
    )
    unit = difference_unit(metric)
    for act, difference in sorted(differences.items()):
        size = f"{fixed(difference, metric.decimals, signed=True)} {unit}".rstrip()
        table.add_row(f"minus {act}", f"{size} with this seed")


def advice(data: str, recipe: str, recipes: Collection[str], epochs: int, max_steps: int | None) -> str:
    """A warning for a run on a sample that would take hours as no recipe was chosen; empty otherwise.

    Args:
        data: the option of that group.
        recipe: likewise.
        recipes: the options of the task.
        epochs: as in `trainer`.
        max_steps: likewise.
    """
    if data != "sample" or recipe != "standard" or "small" not in recipes or max_steps is not None:
        return ""
    return (
        f"warning: data=sample without a recipe trains for {plural(epochs, 'epoch')} with the published settings, "
        "which are for a GPU; recipe=small takes minutes on two cores"
    )


def _reference(metric: Metric, bicubic: float | None, chance: float | None) -> str:
    """What guessing or bicubic interpolation reaches; empty where neither is known."""
    known = {"bicubic": bicubic, "chance": metric.chance if chance is None else chance}
    found = next(((word, value) for word, value in known.items() if value is not None), None)
    if found is None:
        return ""
    return f" ({found[0]}: {fixed(found[1], metric.decimals)} {metric.unit})".replace(" )", ")")


def _formatted(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def duration(seconds: float) -> str:
    """`seconds` for people: "5.0 s", "2 min 05 s" or "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"

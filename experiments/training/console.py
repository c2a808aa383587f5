"""What a person sees of a run: a header, progress, and a closing panel. Nothing here changes a result."""

import shlex
import time

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from experiments.configuration.identity import Identity


class Display:
    """A run on the terminal: a live bar where there is one, a line an epoch where the output goes to a file.

    Args:
        console: where it is shown; None: the standard output.
        quiet: show nothing, as in all but one of the processes that share a run.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False):
        self.console = console or Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)
        self._progress: Progress | None = None
        self._shown_at = 0.0

    def header(self, identity: Identity, parameters: int, device: str, precision: str, resumed_at: str) -> None:
        """Says what runs, on what, and where it is kept."""
        rows = [
            ("task", f"{identity.task}, recipe {identity.recipe}"),
            ("activation", identity.act),
            ("model", f"{identity.model}, {parameters:,} parameters"),
            ("data", identity.data),
            ("device", f"{device}, {precision}"),
            ("seed", str(identity.seed)),
            ("kept in", str(identity.directory)),
        ]
        if resumed_at:
            rows.append(("resumed", resumed_at))
        self.console.print(Group(*(Text.assemble((f"{name:<11}", "bold"), value) for name, value in rows)))

    def start(self, total_steps: int, done_steps: int) -> None:
        """Opens the bar."""
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
        """Whether it is time to show a step again (reading a loss off an accelerator costs a synchronisation)."""
        now = time.monotonic()
        if self._progress is None or now - self._shown_at < 0.5:
            return False
        self._shown_at = now
        return True

    def step(self, done_steps: int, epoch: int, epochs: int, values: dict[str, float]) -> None:
        """Moves the bar."""
        if self._progress:
            self._progress.update(
                self._bar,
                completed=done_steps,
                description=f"epoch {epoch}/{epochs}",
                values=_in_words(values),
            )

    def epoch(self, record: dict[str, object], epochs: int, headline: str, seconds_left: float) -> None:
        """One line for a finished epoch."""
        shown = [headline, "loss", "train/loss", f"train/{headline}"]
        values = {key: record[key] for key in dict.fromkeys(shown) if key in record}
        line = f"epoch {record['epoch']:>3}/{epochs}  {_in_words(values)}  {duration(record['seconds'])}"
        if seconds_left > 0:
            line += f", about {duration(seconds_left)} left"
        self.console.print(line)

    def stop(self) -> None:
        """Closes the bar."""
        if self._progress:
            self._progress.stop()
            self._progress = None

    def result(self, identity: Identity, result: dict[str, object], again: bool = False) -> None:
        """The closing panel: headline, cost, and the next command to type."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        if result["status"] == "finished":
            table.add_row(result["headline_metric"], Text(f"{result['headline_value']:.4g}", "bold green"))
        else:
            table.add_row("status", Text.assemble((result["status"], "bold red"), f": {result['reason']}"))
        table.add_row("time", f"{duration(result['wall_seconds'])}, {result['step_milliseconds']:.1f} ms a step")
        table.add_row("peak memory", f"{result['peak_memory_mib']:,.0f} MiB")
        table.add_row("record", str(identity.directory))
        title = f"{identity.task} · {identity.act} · seed {identity.seed}" + (" · done before" if again else "")
        self.console.print(Panel(table, title=Text(title), title_align="left", expand=False))
        self.console.print(f"compare with: {self._comparison(identity)}")

    def _comparison(self, identity: Identity) -> str:
        """The command of the same run with the other activation that a reader will ask for."""
        other = "act=relu" if identity.act.startswith("carelu") else "act=carelu"
        words = [word for word in shlex.split(identity.command) if not word.startswith("act.")]
        words = [other if word.startswith("act=") else word for word in words]
        return shlex.join(words + identity.elsewhere)

    def note(self, message: str) -> None:
        """One line."""
        self.console.print(message)


def _in_words(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def duration(seconds: float) -> str:
    """`seconds` as a person says it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"

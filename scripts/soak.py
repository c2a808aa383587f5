"""Injects faults for as long as you like, and writes what became of them to results/reliability.md.

Signals at random moments of a run, full disks, damage at random places of every file that a run owns, many processes on
one ledger, broken W&B servers, random settings. Exits with 1 if anything was lost, or answered with a traceback.

    python scripts/soak.py                       about an hour on one core
    python scripts/soak.py --scale 0.01          a minute, to see that it works
"""

import argparse
import collections
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from experiments.configuration.schema import Config
from experiments.files import write_files
from experiments.record import checkpoint, ledger
from experiments.report.rendering import to_markdown
from experiments.report.table import simple_table
from tests.experiments.ledgers import row
from tests.faults.fuzzing import outcome, random_overrides
from tests.faults.injections import (
    READERS,
    SEALED,
    SETTINGS,
    SUMMED,
    damaged,
    ended,
    in_child,
    read_damaged,
    record_rows,
    recorded,
    run_of,
    same,
    use_few_images,
)
from tests.faults.servers import KINDS, broken_server

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
_LONGEST = 300
"""Seconds after which a run counts as hanging."""


@dataclass
class Line:
    """What became of one kind of fault."""

    fault: str
    noticed: str
    """How a person is told."""
    injected: int = 0
    recovered: int = 0
    """The same command, or a reader, went on as if nothing had been, or refused with one line and a way out."""
    lost: int = 0
    passed: int = 0
    """Damage of plain text that left a value which the text could have had: a digit became another digit."""
    examples: list[str] = field(default_factory=list)

    def count(self, good: bool, example: str = "") -> None:
        """Counts one fault, which was recovered from or lost something."""
        self.injected += 1
        self.recovered += good
        self.lost += not good
        if not good:
            self.examples.append(example)


class Soak:
    """All faults, injected into runs below one folder.

    Args:
        folder: where the runs are; everything in it is this script's.
        scale: how many faults, 1 for those of the published page.
        seed: of the moments, places and kinds.
    """

    def __init__(self, folder: Path, scale: float, seed: int):
        self.folder, self.scale, self.chance = folder, scale, random.Random(seed)
        self.log = folder / "log"
        self.whole = folder / "whole"
        self.seconds = 0.0

    def times(self, count: int) -> range:
        return range(max(1, round(count * self.scale)))

    def settings(self, root: Path) -> list[str]:
        return [*SETTINGS, f"output_root={root}"]

    def finish(self, root: Path) -> int | None:
        """Gives the command of the run without a fault; returns its exit code."""
        return ended(in_child(run_of(self.settings(root)), self.log), _LONGEST)

    def undisturbed(self) -> None:
        """Makes the run that all others are compared with."""
        began = time.monotonic()
        code = self.finish(self.whole)
        self.seconds = time.monotonic() - began
        if code != 0:
            sys.exit(f"the undisturbed run ended with {code}:\n{self.log.read_text()}")

    def equals_the_undisturbed(self, root: Path) -> bool:
        """Whether ledger and weights below `root` are those of the undisturbed run, and no traceback was shown."""
        if "Traceback" in self.log.read_text() or recorded(root) != recorded(self.whole):
            return False
        ours, theirs = (checkpoint.load(next(each.rglob("checkpoint.pt"))) for each in (root, self.whole))
        return same(ours["model"], theirs["model"]) and same(ours["optimizer"], theirs["optimizer"])

    def signals(self) -> Line:
        line = Line("a signal at a random moment of a run", "exit code 75, and a line that says how to go on")
        while line.injected < len(self.times(400)):
            root = self._fresh()
            hits = []
            for _ in range(self.chance.randint(1, 4)):
                child = in_child(run_of(self.settings(root)), self.log)
                if ended(child, self.chance.uniform(0, 1.2 * self.seconds)) is None:
                    hits.append(self.chance.choice(SIGNALS))
                    os.kill(child, hits[-1])
                    if ended(child, _LONGEST) not in (0, 75, -hits[-1]):  # the last before it composed its settings
                        hits.append("another exit code")
            good = self.finish(root) == 0 and self.equals_the_undisturbed(root) and "another exit code" not in hits
            for _ in hits:
                line.count(good, f"{hits}: {self.log.read_text()[-500:]}")
        return line

    def full_disks(self) -> Line:
        line = Line(
            "a disk that is full at a random size of a file", "exit code 2, and the file that cannot be written"
        )
        largest = next(self.whole.rglob("checkpoint.pt")).stat().st_size
        for _ in self.times(100):
            root = self._fresh()
            room = self.chance.choice([self.chance.randrange(2000), self.chance.randrange(largest)])
            code = ended(in_child(run_of(self.settings(root), largest_file=room), self.log), _LONGEST)
            good = code in (0, 2) and self.finish(root) == 0 and self.equals_the_undisturbed(root)
            line.count(good, f"{room} bytes: {code}, {self.log.read_text()[-500:]}")
        return line

    def damaged_checkpoints(self) -> Line:
        line = Line("damage to the last checkpoint of a stopped run", "a note, and the run goes on from the one before")
        stopped = self.folder / "stopped"
        child = in_child(run_of([*self.settings(stopped), "trainer.checkpoint_minutes=0.000001"]), self.log)
        while not list(stopped.rglob("checkpoint.previous.pt")):
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        ended(child, _LONGEST)
        for _ in self.times(60):
            root = self._fresh()
            shutil.copytree(stopped, root, dirs_exist_ok=True)
            file = next(root.rglob("checkpoint.pt"))
            file.write_bytes(damaged(file.read_bytes(), self.chance))
            line.count(self.finish(root) == 0 and self.equals_the_undisturbed(root), self.log.read_text()[-500:])
        return line

    def damaged_files(self) -> list[Line]:
        root = self._fresh()
        shutil.copytree(self.whole, root, dirs_exist_ok=True)
        folder = next(root.rglob("result.json")).parent
        (root / "ledger.csv").rename(folder / "ledger.csv")
        lines = []
        for name in sorted(READERS):
            noticed = "one line that names the file and the way out"
            line = Line(f"damage to {name}", noticed + (", or a note that it was altered" if name in SUMMED else ""))
            content, expected = (folder / name).read_bytes(), READERS[name](folder / name)
            for _ in self.times(400):
                bad = damaged(content, self.chance)
                try:
                    found = read_damaged(folder / name, expected, bad)
                except Exception as error:
                    line.count(False, f"{type(error).__name__}: {error}")
                    continue
                if found == "changed" and name not in (*SEALED, *SUMMED):
                    line.injected, line.passed = line.injected + 1, line.passed + 1
                else:
                    line.count(found != "changed", f"{name} was read with another content")
            lines.append(line)
        return lines

    def crowded_ledger(self) -> Line:
        line = Line("20 processes that write into one ledger", "not at all: each waits for the others")
        for _ in self.times(10):
            file = self._fresh() / "ledger.csv"
            results = [[row(seed=10 * process + number) for number in range(3)] for process in range(20)]
            children = [in_child(record_rows(file, each), self.log) for each in results]
            codes = {ended(child, _LONGEST) for child in children}
            rows, problems = ledger.read(file)
            good = codes == {0} and not problems and len(rows) == 60
            for _ in children:
                line.count(good, f"{codes}, {len(rows)} rows, {problems}")
        return line

    def wandb_servers(self) -> Line:
        line = Line("a W&B server that refuses, hangs or answers nonsense", "a note; the local record is complete")
        for _ in self.times(2):
            for kind in KINDS:
                root = self._fresh()
                with broken_server(kind) as environment:
                    run = run_of([*self.settings(root), "logger=wandb", "logger.mode=online"])
                    code = ended(in_child(_within(environment, run), self.log), _LONGEST)
                good = code == 0 and self.equals_the_undisturbed(root)
                line.count(good, f"{kind}: {code}, {self.log.read_text()[-500:]}")
        return line

    def random_settings(self) -> Line:
        line = Line("random settings", "one line with the key, the value and what is accepted")
        for _ in self.times(6000):
            task, overrides = random_overrides(self.chance)
            try:
                found = outcome(task, overrides)
            except Exception as error:
                line.count(False, f"task={task} {overrides}: {type(error).__name__}: {error}")
            else:
                line.count(isinstance(found, Config) or "\n" not in str(found), f"{overrides}: {found}")
        return line

    def _fresh(self) -> Path:
        root = self.folder / "hit"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        self.log.write_text("")
        return root


def _within(environment: dict[str, str], action: Callable[[], int]) -> Callable[[], int]:
    def run() -> int:
        os.environ.update(environment)
        return action()

    return run


def page(lines: list[Line], minutes: float, command: str) -> str:
    """The published page."""
    columns = [("fault", "Fault"), ("injected", "Injected"), ("recovered", "Recovered")]
    columns += [("lost", "Lost"), ("passed", "Passed for good"), ("noticed", "How it is noticed")]
    rows = [[each.fault, each.injected, each.recovered, each.lost, each.passed, each.noticed] for each in lines]
    rows.append(["all", *(sum(row[place] for row in rows) for place in range(1, 5)), ""])
    table = simple_table(
        "reliability",
        "Reliability",
        columns,
        rows,
        caption=f"What became of faults that were injected on purpose, in {minutes:.0f} minutes.",
        notes=(
            "Recovered: the same command, given again, ended with the weights and the ledger of an undisturbed run; or "
            "what was damaged was refused in one line that says the way out, or read as it was.",
            "Lost: something that was computed is gone or wrong, or a person saw a traceback.",
            "Passed for good: a ledger carries no checksum, so that it can be edited; damage there is noticed unless "
            "it leaves a row that could have been written, as one digit in the place of another. It can be rebuilt "
            "from the runs, whose text files have checksums beside them; checkpoints and predictions carry theirs.",
        ),
        commands=(command,),
    )
    return to_markdown(table)


def main() -> int:
    """Injects every kind of fault; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="how many faults, relative to the published page")
    parser.add_argument("--seed", type=int, default=0, help="of the moments, places and kinds")
    parser.add_argument("--out", type=Path, default=Path("results"), help="the folder of reliability.md")
    arguments = parser.parse_args()
    use_few_images()
    command = shlex.join(["python", "scripts/soak.py", *sys.argv[1:]])
    began, lines = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), arguments.scale, arguments.seed)
        soak.undisturbed()
        parts: list[Callable[[], Line | list[Line]]] = [soak.random_settings, soak.damaged_files, soak.crowded_ledger]
        parts += [soak.full_disks, soak.damaged_checkpoints, soak.wandb_servers, soak.signals]
        for part in parts:
            made = part()
            for line in made if isinstance(made, list) else [made]:
                lines.append(line)
                print(f"{line.fault}: {line.injected} injected, {line.lost} lost", flush=True)
                for example, count in collections.Counter(line.examples).most_common(3):
                    print(f"  {count} × {example}", flush=True)
            text = page(lines, (time.monotonic() - began) / 60, command)  # after each part, should one be interrupted
            (file,) = write_files({arguments.out / "reliability.md": text.encode()})
    print(file)
    return 1 if any(line.lost for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Where a table's numbers come from: settings, commits, and the commands that reproduce runs and table."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.analysis.numbers import plural
from experiments.analysis.runs import Run, Setting

ROOT = Path(__file__).parent.parent.parent

DEFAULT_LEDGER = "results/comparison/ledger.csv"


def describe_setting(setting: Setting) -> str:
    """Model, data, recipe, device, threads and precision in one line."""
    conditions = ["recipe " + setting.recipe_label, setting.device_label, setting.precision, setting.content_label]
    return f"{setting.model_label} on {setting.data_label}, {', '.join(filter(None, conditions))}"


def describe_conditions(setting: Setting) -> str:
    """Recipe, device, threads and precision, for tables with model and data in the title."""
    conditions = ["Recipe " + setting.recipe_label, setting.device_label, setting.precision, setting.content_label]
    return ", ".join(filter(None, conditions))


def describe_runs(runs: Sequence[Run]) -> str:
    """The number of runs, their commits and PyTorch versions."""
    commits = sorted({f"{run.git_commit[:10]}{' + uncommitted changes' if run.git_dirty else ''}" for run in runs})
    versions = sorted({run.torch for run in runs})
    word = "commit" if len(commits) == 1 else "commits"
    return f"{plural(len(runs), 'run')}, {word} {', '.join(commits)}, PyTorch {', '.join(versions)}"


def table_command(ledger: Path, script: str = "make_tables.py", **options: str | Sequence[str] | None) -> str:
    """The command that reproduces the tables of a ledger, or the output of another script.

    Args:
        ledger: the ledger.
        script: its name in scripts/.
        options: its options by name; several values repeat the option, None leaves it out.
    """
    resolved = ledger.resolve()
    name = resolved.relative_to(ROOT).as_posix() if resolved.is_relative_to(ROOT) else ledger.as_posix()
    given = {"ledger": None if name == DEFAULT_LEDGER else name, **options}
    several = {key: [value] if isinstance(value, str) else value or () for key, value in given.items()}
    arguments = [part for key, values in several.items() for value in values for part in (f"--{key}", value)]
    return shlex.join(["python", f"scripts/{script}", *arguments])


def run_commands(runs: Iterable[Run]) -> tuple[str, ...]:
    """The commands that reproduce `runs`: sweeps over activation and seed where the rest is equal."""
    seeds_of: dict[tuple[str, ...], dict[str, set[int]]] = {}
    others = []
    for run in runs:
        words = _words(run.command)
        act = [word for word in words if word.startswith("act=")]
        if len(act) != 1 or f"seed={run.seed}" not in words or words[0] == "torchrun":  # which cannot sweep
            others.append(run.command)
            continue
        rest = tuple("seed=" if word == f"seed={run.seed}" else "act=" if word == act[0] else word for word in words)
        seeds_of.setdefault(rest, {}).setdefault(act[0].removeprefix("act="), set()).add(run.seed)
    sweeps = [sweep for rest, by_act in seeds_of.items() for sweep in _sweeps(rest, by_act)]
    return tuple(dict.fromkeys([*sweeps, *others]))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _sweeps(rest: tuple[str, ...], seeds_of: dict[str, set[int]]) -> list[str]:
    """One command for all activations that have the same seeds."""
    acts_with: dict[tuple[int, ...], list[str]] = {}
    for act, seeds in seeds_of.items():
        acts_with.setdefault(tuple(sorted(seeds)), []).append(act)
    commands = []
    for seeds, acts in acts_with.items():
        filled = {"act=": f"act={','.join(acts)}", "seed=": f"seed={','.join(map(str, seeds))}"}
        words = [filled.get(word, word) for word in rest]
        if len(acts) * len(seeds) > 1:
            words.insert(words.index("run.py") + 1 if "run.py" in words else 1, "-m")
        commands.append(shlex.join(words))
    return commands

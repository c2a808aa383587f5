"""Measures how many small changes of the code (mutants) the tests notice, and writes results/mutation.md.

mutmut makes the mutants of the files named in pyproject.toml and runs, for each one, the tests of its folder that call
the changed function, in a process forked from one that has imported everything. Strings are left as they are: a changed
message is noise, as messages are tested by the key and the value that they name.

    python scripts/mutation.py                      # every mutant
    python scripts/mutation.py --share 0.2 --seed 7 # a random sample of each file's mutants
    python scripts/mutation.py --only experiments.analysis.verdict # one file, without the page
    python scripts/mutation.py --retry              # the survivors once more, after tests were added

Results are kept in mutants/, so that a run that was stopped goes on; delete the folder to begin anew. What survives is
explained in scripts/mutation_explained.toml, by file, function and change.
"""

import argparse
import gc
import json
import math
import os
import random
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "results" / "mutation.md"
EXPLAINED = ROOT / "scripts" / "mutation_explained.toml"

FIRST = ROOT / "mutants" / "first.json"
"""How mutants ended when they were run for the first time."""

Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Change:
    """What a mutant changes, in terms that stay the same when other code does.

    Args:
        file: the file, as in the checkout.
        function: its name, with that of its class.
        before, after: the lines that differ, joined by a space.
    """

    file: str
    function: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """A mutant that was run: its name in mutmut, how it ended, and what it changes if it was not killed."""

    name: str
    file: str
    status: str
    change: Change | None = None

    @property
    def killed(self) -> bool:
        return self.status in ("killed", "timeout", "segfault")


def sample(names: Iterable[str], share: float, seed: int) -> set[str]:
    """A random share of the mutants of one file, rounded up; a larger share of the same seed contains a smaller one."""
    names = sorted(names)
    random.Random(seed).shuffle(names)
    return set(names[: math.ceil(share * len(names))])


def interval(killed: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share by the method of Wilson 1927."""
    share, weight = killed / total, Z**2 / total
    middle = share + weight / 2
    spread = Z * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)


def near(tests: Iterable[str], file: str, durations: dict[str, float]) -> list[str]:
    """The tests in the folder that mirrors that of `file`, the fastest first."""
    folder = f"tests/{Path(file).parent.as_posix()}/"
    return sorted((test for test in tests if test.startswith(folder)), key=lambda test: (durations.get(test, 0), test))


def read_first() -> dict[str, bool]:
    """Whether each mutant was killed when it was run for the first time, before a test was added for it."""
    return json.loads(FIRST.read_text(encoding="utf-8")) if FIRST.exists() else {}


def change_of(file: str, name: str, diff: str) -> Change:
    """What a unified diff of mutmut changes."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    function = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    return Change(file, function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", "."), before, after)


def read_explanations(file: Path) -> dict[Change, str]:
    """Why a mutant may survive, by its change.

    Raises:
        ValueError: one is given twice, or has no reason.
    """
    explanations: dict[Change, str] = {}
    for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("survivor", []):
        change = Change(entry["file"], entry["function"], entry["before"], entry["after"])
        if change in explanations or not entry["why"].strip():
            raise ValueError(f"{file.name}: {change} is given twice, or without a reason")
        explanations[change] = entry["why"].strip()
    return explanations


class Tool:
    """mutmut, without mutants of strings, restricted to near tests and to a sample.

    Args:
        share: of the mutants of each file.
        seed: of the sample.
        only: the beginning of the names of the mutants to run; empty: all.
    """

    def __init__(self, share: float, seed: int, only: Sequence[str]):
        import mutmut.__main__ as program  # late, as it sets how processes start
        from mutmut.mutation import file_mutation, mutators
        from mutmut.workers import isolation

        self._program, self._share, self._seed, self._only = program, share, seed, tuple(only)
        # mutmut has no option for any of this; the version is pinned in constraints.txt.
        file_mutation.mutation_operators = [
            each for each in mutators.mutation_operators if each[1] is not mutators.operator_string
        ]
        self._collect_data = program.collect_source_file_mutation_data
        program.collect_source_file_mutation_data = self._sampled
        program.collect_or_load_stats = self._then_near_only(program.collect_or_load_stats)
        program.print_stats = lambda *_, **__: None
        program.PytestRunner.warm_up = _then_freeze(program.PytestRunner.warm_up)
        # The tests have just passed, where they were timed and assigned to functions.
        isolation.ForkServerRunner.run_clean_tests = lambda *_, **__: 0

    def run(self, processes: int, retry: bool) -> None:
        """Runs the mutants that have no result yet; with `retry` also those that survived."""
        if retry:
            self._forget_survivors()
        self._program._run((), processes)
        first = {**{mutant.name: mutant.killed for mutant in self.mutants()}, **read_first()}
        FIRST.write_text(json.dumps(first), encoding="utf-8")

    def mutants(self) -> list[Mutant]:
        """The mutants of the sample that were run."""
        from mutmut.mutation.diff_apply import get_diff_for_mutant
        from mutmut.stats import status_by_exit_code

        found = []
        for data, name, code in self._sampled(mutant_names=())[0]:
            mutant = Mutant(name, data.path.as_posix(), status_by_exit_code[code])
            if code is not None and not mutant.killed:
                change = change_of(mutant.file, name, get_diff_for_mutant(name, path=data.path))
                mutant = Mutant(name, mutant.file, mutant.status, change)
            found.append(mutant)
        return found

    def _sampled(self, *, mutant_names: Sequence[str]) -> tuple[list, dict]:
        mutants, by_path = self._collect_data(mutant_names=mutant_names)
        chosen = {name for data in by_path.values() for name in sample(data.exit_code_by_key, self._share, self._seed)}
        if self._only:
            chosen = {name for name in chosen if name.startswith(self._only)}
        return [each for each in mutants if each[1] in chosen], by_path

    def _forget_survivors(self) -> None:
        from mutmut.stats import status_by_exit_code

        for data, name, code in self._sampled(mutant_names=())[0]:
            if status_by_exit_code[code] not in ("killed", "timeout", "segfault"):
                data.exit_code_by_key[name] = None
                data.save()

    def _then_near_only(self, collect: Callable[..., None]) -> Callable[..., None]:
        def collect_and_restrict(*arguments: object, **options: object) -> None:
            collect(*arguments, **options)
            state = self._program.state()
            for function, tests in state.tests_by_mangled_function_name.items():
                file = function.rpartition(".")[0].replace(".", "/") + ".py"
                state.tests_by_mangled_function_name[function] = near(tests, file, state.duration_by_test)

        return collect_and_restrict


def _then_freeze(warm_up: Callable[[object], None]) -> Callable[[object], None]:
    """What is imported before the forks is left alone by their garbage collectors, which would copy its memory."""

    def warm_up_and_freeze(runner: object) -> None:
        warm_up(runner)
        gc.collect()
        gc.freeze()

    return warm_up_and_freeze


def page(mutants: Sequence[Mutant], explanations: dict[Change, str], share: float, seed: int, command: str) -> str:
    """The page in Markdown."""
    killed, total = sum(mutant.killed for mutant in mutants), len(mutants)
    survivors = [mutant for mutant in mutants if not mutant.killed]
    unexplained = [mutant for mutant in survivors if mutant.change not in explanations]
    low, high = interval(killed, total)
    if share < 1:
        which = (
            f"A random sample of {share:.0%} of the mutants of each file (seed {seed}). "
            f"95 % interval of the score by the sample's size (Wilson): {low:.1%} to {high:.1%}."
        )
    else:
        which = "Every mutant was run, so the score is exact."
    timeouts = sum(mutant.status == "timeout" for mutant in mutants)
    uncalled = sum(mutant.status == "no tests" for mutant in mutants)
    lines = [
        "# Mutation testing",
        "",
        f"**{killed} of {total} mutants are killed: {killed / total:.1%}.** {which}",
        "",
        f"Made by `{command}` with mutmut {version('mutmut')}. A mutant is a small change of the code, such as `<` to "
        "`<=`, `1` to `2`, or an argument to `None`. It is killed if a test fails with it.",
        "",
        "- A mutant is run against the fast tests in the folder that mirrors its own, and there against those that "
        "call its function.",
        f"- {timeouts} of the killed mutants were ended by the time limit. {uncalled} of the others are in functions "
        "that no near test calls; they count as survivors.",
        "- Not mutated: strings (messages are tested by the key and the value that they name), constants of modules, "
        "and functions with decorators, such as properties.",
        f"- {len(survivors)} mutants survived; {len(survivors) - len(unexplained)} of them are explained below.",
        "",
        *_table(mutants, explanations),
        *_survivors(survivors, explanations),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(mutants: Sequence[Mutant], explanations: dict[Change, str]) -> list[str]:
    lines = [
        "| file | mutants | killed | survived | of them explained | score |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for file in sorted({mutant.file for mutant in mutants}):
        of_file = [mutant for mutant in mutants if mutant.file == file]
        killed = sum(mutant.killed for mutant in of_file)
        explained = sum(mutant.change in explanations for mutant in of_file if not mutant.killed)
        counts = f"{len(of_file)} | {killed} | {len(of_file) - killed} | {explained}"
        lines.append(f"| `{file}` | {counts} | {killed / len(of_file):.1%} |")
    return lines


def _survivors(survivors: Sequence[Mutant], explanations: dict[Change, str]) -> list[str]:
    """The sections of the survivors that are explained, and of those that are not."""
    why = {mutant: explanations.get(mutant.change, "") for mutant in survivors}
    lines = []
    for title, found in (
        ("## Explained survivors", [mutant for mutant in survivors if why[mutant]]),
        ("## Survivors without an explanation", [mutant for mutant in survivors if not why[mutant]]),
    ):
        lines += ["", title] if found else []
        for file in sorted({mutant.file for mutant in found}):
            lines += ["", f"`{file}`", ""]
            lines += [_line(mutant.change, why[mutant]) for mutant in found if mutant.file == file]
    return lines


def _line(change: Change, why: str) -> str:
    before, after = _difference(change.before, change.after)
    return f"- `{change.function}`: {before} → {after}{': ' if why else ''}{why}"


def _difference(before: str, after: str) -> tuple[str, str]:
    """Two texts as code, without the words at their beginning and end that are the same in both."""
    old, new = before.split(), after.split()
    while len(old) > 1 and len(new) > 1 and old[0] == new[0]:
        del old[0], new[0]
    while len(old) > 1 and len(new) > 1 and old[-1] == new[-1]:
        del old[-1], new[-1]
    return f"`` {' '.join(old)} ``", f"`` {' '.join(new)} ``"


def main() -> int:
    """Runs mutants and writes the page; returns the exit code: 1 if a survivor is not explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of each file's mutants, above 0 up to 1")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", action="append", default=[], help="one module or function; may be repeated")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--retry", action="store_true", help="run the survivors once more")
    parser.add_argument("--no-run", action="store_true", help="use the results that are there")
    options = parser.parse_args()
    if not 0 < options.share <= 1:
        parser.error(f"--share {options.share} is not accepted; accepted: above 0 up to 1")
    os.chdir(ROOT)
    tool = Tool(options.share, options.seed, options.only)
    if not options.no_run:
        tool.run(options.processes, options.retry)
    mutants, explanations = tool.mutants(), read_explanations(EXPLAINED)
    unexplained = [mutant for mutant in mutants if not mutant.killed and mutant.change not in explanations]
    for mutant in unexplained:
        print(f"{mutant.name} ({mutant.status})\n  - {mutant.change.before}\n  + {mutant.change.after}")
    if not options.only:
        chosen = f" --share {options.share:g} --seed {options.seed}" if options.share < 1 else ""
        command = f"python scripts/mutation.py{chosen}"
        PAGE.write_text(page(mutants, explanations, options.share, options.seed, command), encoding="utf-8")
    print(
        f"{sum(mutant.killed for mutant in mutants)} of {len(mutants)} killed, {len(unexplained)} unexplained survive"
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

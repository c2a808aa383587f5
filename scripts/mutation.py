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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scripts.mutation_page import Change, Mutant, page, read_explanations

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "results" / "mutation.md"
EXPLAINED = ROOT / "scripts" / "mutation_explained.toml"

FIRST = ROOT / "mutants" / "first.json"
"""How mutants ended when they were run for the first time."""


def sample(names: Iterable[str], share: float, seed: int) -> set[str]:
    """A random share of the mutants of one file, rounded up; a larger share of the same seed contains a smaller one."""
    names = sorted(names)
    random.Random(seed).shuffle(names)
    return set(names[: math.ceil(share * len(names))])


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
        first = {**{mutant.name: mutant.killed for mutant in self.mutants() if mutant.has_run}, **read_first()}
        FIRST.write_text(json.dumps(first), encoding="utf-8")

    def mutants(self) -> list[Mutant]:
        """The mutants of the sample."""
        from mutmut.mutation.diff_apply import get_diff_for_mutant
        from mutmut.stats import status_by_exit_code

        found = []
        for data, name, code in self._sampled(mutant_names=())[0]:
            mutant = Mutant(name, data.path.as_posix(), status_by_exit_code[code])
            if mutant.has_run and not mutant.killed:
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
    unexplained = [
        mutant for mutant in mutants if mutant.change and not mutant.killed and mutant.change not in explanations
    ]
    for mutant in unexplained:
        print(f"{mutant.name} ({mutant.status})\n  - {mutant.change.before}\n  + {mutant.change.after}")
    if not options.only:
        chosen = f" --share {options.share:g} --seed {options.seed}" if options.share < 1 else ""
        command = f"python scripts/mutation.py{chosen}"
        text = page(mutants, explanations, read_first(), options.share, options.seed, command)
        PAGE.write_text(text, encoding="utf-8")
    killed, waiting = sum(mutant.killed for mutant in mutants), sum(not mutant.has_run for mutant in mutants)
    print(f"{killed} of {len(mutants)} killed, {len(unexplained)} unexplained survive, {waiting} are to be run")
    return 1 if unexplained or waiting else 0


if __name__ == "__main__":
    sys.exit(main())

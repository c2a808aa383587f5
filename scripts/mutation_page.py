"""The page on mutation testing (`scripts/mutation.py`): mutants by file, the score, and the survivors with reasons."""

import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

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
    """A mutant: its name in mutmut, how it ended, and what it changes if it was run and not killed."""

    name: str
    file: str
    status: str
    change: Change | None = None

    @property
    def killed(self) -> bool:
        return self.status in ("killed", "timeout", "segfault")

    @property
    def has_run(self) -> bool:
        return self.status not in ("not checked", "check was interrupted by user")


def interval(killed: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share by the method of Wilson 1927."""
    share, weight = killed / total, Z**2 / total
    middle = share + weight / 2
    spread = Z * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)


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


def page(
    mutants: Sequence[Mutant],
    explanations: Mapping[Change, str],
    first: Mapping[str, bool],
    share: float,
    seed: int,
    command: str,
) -> str:
    """The page in Markdown.

    Args:
        mutants: all that were to be run; those without a result are counted apart.
        explanations: why survivors may survive.
        first: by the name of a mutant, whether it was killed when it was run for the first time.
        share: of the mutants of each file.
        seed: of the sample.
        command: makes the page again.
    """
    waiting = Counter(mutant.file for mutant in mutants if not mutant.has_run)
    mutants = [mutant for mutant in mutants if mutant.has_run]
    killed, total = sum(mutant.killed for mutant in mutants), len(mutants)
    survivors = [mutant for mutant in mutants if not mutant.killed]
    explained = sum(mutant.change in explanations for mutant in survivors)
    timeouts = sum(mutant.status == "timeout" for mutant in mutants)
    uncalled = sum(mutant.status == "no tests" for mutant in mutants)
    lines = [
        "# Mutation testing",
        "",
        f"**{killed} of {total} mutants are killed: {killed / total:.1%}.** {_which(share, seed)}",
        "",
        *_at_first(mutants, first, share),
        *_left_out(waiting),
        f"Made by `{command}` with mutmut {version('mutmut')}. A mutant is a small change of the code, such as `<` to "
        "`<=`, `1` to `2`, or an argument to `None`. It is killed if a test fails with it.",
        "",
        "- A mutant is run against the fast tests in the folder that mirrors its own, and there against those that "
        "call its function.",
        f"- {timeouts} of the killed mutants were ended by the time limit. {uncalled} of the others are in functions "
        "that no near test calls; they count as survivors.",
        "- Not mutated: strings (messages are tested by the key and the value that they name), constants of modules, "
        "and functions with decorators, such as properties.",
        f"- {len(survivors)} mutants survived; {explained} of them are explained below.",
        "",
        *_table(mutants, explanations),
        *_survivors(survivors, explanations),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _which(share: float, seed: int) -> str:
    if share == 1:
        return "Every mutant was run."
    return f"They are a random sample of {share:.0%} of the mutants of each file (seed {seed})."


def _left_out(waiting: Mapping[str, int]) -> list[str]:
    """Which mutants are not part of the score, as they have not been run."""
    if not waiting:
        return []
    files = ", ".join(f"{count} of `{file}`" for file, count in sorted(waiting.items()))
    return [f"**{sum(waiting.values())} further mutants of the sample were not run and are left out:** {files}.", ""]


def _at_first(mutants: Sequence[Mutant], first: Mapping[str, bool], share: float) -> list[str]:
    """What is known of the mutants that were not drawn: tests are added for those that were."""
    known = [first[mutant.name] for mutant in mutants if mutant.name in first]
    if share == 1 or len(known) < len(mutants):
        return []
    low, high = interval(sum(known), len(known))
    return [
        f"When these mutants were drawn and run for the first time, {sum(known)} were killed: "
        f"{sum(known) / len(known):.1%}, 95 % interval {low:.1%} to {high:.1%} (Wilson). That is the estimate for all "
        "mutants. Tests were then added for survivors of this sample, so the score above is that of the sample alone.",
        "",
    ]


def _table(mutants: Sequence[Mutant], explanations: Mapping[Change, str]) -> list[str]:
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


def _survivors(survivors: Sequence[Mutant], explanations: Mapping[Change, str]) -> list[str]:
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
    """Two texts as code, without what is the same in both, but for a word on each side."""
    old, new = before.split(), after.split()
    while min(len(old), len(new)) > 1 and old[:2] == new[:2]:
        del old[0], new[0]
    while min(len(old), len(new)) > 1 and old[-2:] == new[-2:]:
        del old[-1], new[-1]
    return f"`` {' '.join(old)} ``", f"`` {' '.join(new)} ``"

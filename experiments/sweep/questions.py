"""What a command line may ask instead of training: `--dry-run` and `+find=lr`. Hydra knows neither."""

from collections.abc import Sequence

from experiments.configuration.command_line import SweepPlan
from experiments.errors import BadInput

DRY_RUN, FIND = "--dry-run", "+find="


def split_questions(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the words for Hydra, the others)."""
    asked = [word for word in args if word == DRY_RUN or word.startswith(FIND)]
    return [word for word in args if word not in asked], asked


def answer(asked: Sequence[str], args: Sequence[str], sweep: SweepPlan | None) -> int:
    """Answers instead of training; returns the exit code.

    Args:
        asked: what `split_questions` took out.
        args: the other words.
        sweep: the sweep that they describe; None for a single run.

    Raises:
        BadInput: the question does not exist, does not fit the command, or cannot be answered.
    """
    if len(set(asked)) > 1:
        raise BadInput(f"{' and '.join(asked)} cannot be asked at once; leave one out")
    if asked[0] == DRY_RUN:
        from experiments.sweep.dry_run import show  # torch takes seconds to load

        return show(sweep)
    if asked[0] != "+find=lr":
        raise BadInput(f"{asked[0]} is not accepted; accepted: +find=lr")
    if sweep is not None:
        raise BadInput("+find=lr tests one configuration, and -m describes many; leave one out")
    from experiments.training.learning_rate_finder import perform

    return perform(args)

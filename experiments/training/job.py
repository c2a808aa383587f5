"""One run as the command line requests it: errors become one-line messages, the ending becomes an exit code."""

import math
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.schema import check_choices, validate
from experiments.configuration.task_spec import spec_of
from experiments.distributed.torchrun import is_main_process, wait_for_torchrun
from experiments.errors import BadInput, OtherProcessFailed
from experiments.training.signals import signals_interrupt

if TYPE_CHECKING:
    from experiments.training.run import Outcome

FINISHED, FAILED, BAD_INPUT, DIVERGED, STOPPED = 0, 1, 2, 3, 75
"""Exit codes. STOPPED (by a signal, with a checkpoint) is EX_TEMPFAIL of sysexits.h: try again."""

_BY_STATUS = {"finished": FINISHED, "failed": FAILED, "diverged": DIVERGED}


@dataclass(frozen=True)
class Ending:
    """How a request for a run ended, in plain values.

    Args:
        state: done, resumed (and then done), skipped (already done), diverged, failed or stopped.
        code: the exit code.
        reason: why the run has no headline value, or that it was already done.
        run_id: the run's id; empty if it ended before the id was known.
        metric, value: the headline, if there is one.
        higher_is_better: the direction of the headline.
        signalled: whether a signal came too late to stop the run, so that no other should begin.
    """

    state: str
    code: int
    reason: str = ""
    run_id: str = ""
    metric: str = ""
    value: float | None = None
    higher_is_better: bool = True
    signalled: bool = False

    @property
    def objective(self) -> float:
        """What a sweeper that optimises gets: larger is better for every task, and a run without a value is worst.

        It is the headline, or for one of which less is better, like a loss, its negative. With hydra/sweeper=optuna:
        hydra.sweeper.direction=maximize.
        """
        if self.value is None:
            return -math.inf
        return float(self.value if self.higher_is_better else -self.value)


def report_error(error: BadInput) -> int:
    """Prints the error, in a distributed run from the main process alone; returns the exit code."""
    if is_main_process():
        print(f"error: {error}", file=sys.stderr)
    else:
        wait_for_torchrun()
    return BAD_INPUT


def answered(perform: Callable[[], int]) -> int:
    """Performs a command; what ends it before or beside a run is answered in one line. Returns the exit code."""
    try:
        with signals_interrupt():  # except during training
            return perform()
    except BadInput as error:
        return report_error(error)
    except KeyboardInterrupt:
        if is_main_process():
            print("stopped before training", file=sys.stderr)
        return STOPPED
    except (HydraException, OmegaConfBaseException, OSError) as error:  # a run reports its own errors
        return report_error(BadInput(" ".join(f"{type(error).__name__}: {error}".split())))


def run_job(cfg: DictConfig, choices: dict[str, str]) -> Ending:
    """Trains one run and shows how it ended."""
    with signals_interrupt():  # except during training
        return _run_job(cfg, choices)


def _run_job(cfg: DictConfig, choices: dict[str, str]) -> Ending:
    try:
        check_choices(choices)
        config = validate(cfg)
        # Imported here because torch takes seconds to load, and the errors above do not need it.
        from experiments.training.allocator import keep_freed_memory
        from experiments.training.console import Display
        from experiments.training.counterparts import differences
        from experiments.training.process_state import process_state_kept
        from experiments.training.run import Run

        keep_freed_memory()
        with process_state_kept():
            display = Display(quiet=not is_main_process())
            outcome = Run(config, choices, display).complete()
            if outcome.result is not None:
                ledger = Path(config.output_root, "ledger.csv")
                found = differences(ledger, outcome.identity.run_id) if is_main_process() else {}
                display.result(outcome.identity, outcome.result, outcome.again, found)
            return _ending(outcome)
    except BadInput as error:
        report_error(error)
        return Ending("failed", BAD_INPUT, str(error))
    except OtherProcessFailed as error:
        if str(error):
            print(f"error: {error}", file=sys.stderr)
        return Ending("failed", FAILED, str(error))
    except KeyboardInterrupt:
        print("stopped before or after training; files are kept, repeat the same command to resume", file=sys.stderr)
        return Ending("stopped", STOPPED, "before or after training")
    except Exception as error:
        traceback.print_exc()
        return Ending("failed", FAILED, f"{type(error).__name__}: {error}")


def _ending(outcome: "Outcome") -> Ending:
    result, run_id = outcome.result, outcome.identity.run_id
    if result is None:
        return Ending("stopped", STOPPED, "a checkpoint is written", run_id)
    state = result["status"]
    if state == "finished":
        state = "skipped" if outcome.again else "resumed" if outcome.resumed else "done"
    reason = ("already done: " if outcome.again else "") + result["reason"]
    code, value, metric = _BY_STATUS[result["status"]], result["headline_value"], result["headline_metric"]
    higher_is_better = spec_of(outcome.identity.task).metrics[metric].higher_is_better
    return Ending(state, code, reason, run_id, metric, value, higher_is_better, outcome.signalled)

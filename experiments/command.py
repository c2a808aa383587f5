"""What `python run.py` says and returns around its runs: help, errors and exit codes."""

import signal
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from experiments.accepted_values import check_choices, check_values
from experiments.configuration import BY_TASK, GROUPS, LAUNCHER, launchers, words_of
from experiments.errors import BadInput, OtherProcessFailed
from experiments.launch import give_way, speaks

if TYPE_CHECKING:
    from experiments.runner import Outcome

FINISHED, FAILED, BAD_INPUT, DIVERGED, STOPPED = 0, 1, 2, 3, 75
"""Exit codes. STOPPED (a signal came, a checkpoint is written) is the usual code for "try again"."""

_BY_STATUS = {"finished": FINISHED, "failed": FAILED, "diverged": DIVERGED}


@dataclass(frozen=True)
class Ending:
    """How a request for a run ended, in words and numbers that can be written down.

    Args:
        state: done, resumed (and done), skipped (was done before), diverged, failed or stopped.
        code: the exit code.
        reason: why, of a run that has no headline.
        run_id: the run's name; empty if it was not even named.
        metric, value: the headline of a run that has one.
    """

    state: str
    code: int
    reason: str = ""
    run_id: str = ""
    metric: str = ""
    value: float | None = None


_MEANINGS = {
    "task": "what is learned",
    "act": "the activation",
    "recipe": "how long and how it is trained",
    "data": "which data",
    "model": "which model",
    "optim": "the optimiser",
    "trainer": "device, precision, batch size, checkpoints",
    "logger": "where else the record goes",
    "experiment": "a ready-made sweep: python run.py -m +experiment=NAME",
    "hydra/launcher": "where the runs of a sweep take place",
}

_HELP = """\
Trains an activation on a task, records it, and goes on from where it stands if it was stopped.

usage: python run.py [KEY=VALUE ...]              one run
       python run.py -m [KEY=A,B,C ...]           a sweep over every combination, summed up at its end
       python run.py -m +experiment=NAME          a ready-made sweep, like paper_all or carelu_study
       python run.py -m … hydra/launcher=joblib   several runs at once; others: {launchers}

Examples
  python run.py task=cifar100 act=carelu data=sample recipe=small   a small run on bundled images
  python run.py task=cifar100 act=relu                              the published recipe (for a GPU)
  python run.py -m act=carelu,relu,gelu seed=0,1,2 recipe=small     a sweep of nine runs
  python run.py -m +experiment=paper_all recipe=small               every task and activation, on two cores
  torchrun --nproc_per_node=4 run.py task=cifar100 act=relu         one run on four GPUs

The same command again goes on: finished runs answer at once, stopped ones resume, failed ones are tried again.
Exit codes: 0 finished, 1 failed, 2 bad input, 3 diverged, 75 stopped by a signal; of a sweep the largest.

{groups}
Some keys (all of them, with their values: python run.py --cfg job; their meaning: configs/)
  seed=0                   initial weights, batch order, augmentation
  trainer.epochs=3         passes over the training data
  trainer.max_steps=20     stop after so many steps, then evaluate
  trainer.device=cpu       auto, cpu, cuda, cuda:1
  data_root=FOLDER         where all data is, or is fetched to; data.root=FOLDER for that of one task
  output_root=outputs      where runs and their ledger are kept
  force=true               run again from the start, also where a result stands
  act.kwargs.KEY=VALUE     an option of the activation
  jobs_per_gpu=2           runs at once on each GPU (hydra/launcher=joblib)
  hydra.launcher.n_jobs=2  runs at once in all (hydra/launcher=joblib)

Hydra's own options: python run.py --hydra-help"""


def help_text() -> str:
    """The text of `--help`: every group with its options, as their files describe them."""
    lines = []
    tasks = words_of("task")
    for group in (*GROUPS, "experiment", LAUNCHER):
        lines.append(f"{group}: {_MEANINGS[group]}")
        if group in BY_TASK:
            for task in tasks:
                lines += [f"  for task={task}", *_listed(words_of(group, task), indent=4)]
        else:
            lines += _listed(launchers() if group == LAUNCHER else words_of(group), indent=2)
        lines.append("")
    return _HELP.format(
        launchers=", ".join(word for word in launchers() if word not in ("basic", "joblib")),
        groups="\n".join(lines),
    )


def _listed(words: dict[str, str], indent: int) -> list[str]:
    return [f"{' ' * indent}{word:<{20 - indent}} {meaning}" for word, meaning in words.items()]


def complain(error: BadInput) -> int:
    """Prints the error, once where several processes share a run; returns its exit code."""
    if speaks():
        print(f"error: {error}", file=sys.stderr)
    else:
        give_way()
    return BAD_INPUT


def run_job(cfg: DictConfig, choices: dict[str, str]) -> Ending:
    """Performs one run and shows how it ended."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # outside of training like Ctrl-C
    try:
        check_choices(choices)
        check_values(cfg)
        # torch is imported only now, so that what is checked above is answered at once.
        from experiments.process_state import process_state_kept
        from experiments.runner import perform
        from experiments.terminal import Display

        with process_state_kept():
            display = Display(quiet=not speaks())
            outcome = perform(cfg, choices, display)
            if outcome.result is not None:
                display.result(outcome.identity, outcome.result, outcome.again)
            return _ending(outcome)
    except BadInput as error:
        complain(error)
        return Ending("failed", BAD_INPUT, str(error))
    except OtherProcessFailed as error:
        if str(error):
            print(f"error: {error}", file=sys.stderr)
        return Ending("failed", FAILED, str(error))
    except KeyboardInterrupt:
        print("stopped outside of training; what was written is kept, the same command goes on", file=sys.stderr)
        return Ending("stopped", STOPPED, "outside of training")
    except Exception as error:
        traceback.print_exc()
        return Ending("failed", FAILED, f"{type(error).__name__}: {error}")
    finally:
        signal.signal(signal.SIGTERM, before)


def _ending(outcome: "Outcome") -> Ending:
    result, run_id = outcome.result, outcome.identity.run_id
    if result is None:
        return Ending("stopped", STOPPED, "a checkpoint is written", run_id)
    state = result["status"]
    if state == "finished":
        state = "skipped" if outcome.again else "resumed" if outcome.resumed else "done"
    reason = ("was there before: " if outcome.again else "") + result["reason"]
    code, value = _BY_STATUS[result["status"]], result["headline_value"]
    return Ending(state, code, reason, run_id, result["headline_metric"], value)

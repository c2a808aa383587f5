"""What `python run.py` says and returns around its runs: help, errors and exit codes."""

import signal
import sys
import traceback

from omegaconf import DictConfig

from experiments.configuration import BY_TASK, GROUPS, check_choices, check_values, words_of
from experiments.errors import BadInput, OtherProcessFailed
from experiments.launch import give_way, speaks

FINISHED, FAILED, BAD_INPUT, DIVERGED, STOPPED = 0, 1, 2, 3, 75
"""Exit codes. STOPPED (a signal came, a checkpoint is written) is the usual code for "try again"."""

_BY_STATUS = {"finished": FINISHED, "failed": FAILED, "diverged": DIVERGED}

_MEANINGS = {
    "task": "what is learned",
    "act": "the activation",
    "recipe": "how long and how it is trained",
    "data": "which data",
    "model": "which model",
    "optim": "the optimiser",
    "trainer": "device, precision, batch size, checkpoints",
    "logger": "where else the record goes",
    "experiment": "a ready-made comparison, laid over the rest: +experiment=NAME",
}

_HELP = """\
Trains an activation on a task, records it, and goes on from where it stands if it was stopped.

usage: python run.py [KEY=VALUE ...]         one run
       python run.py -m [KEY=A,B,C ...]      a sweep over every combination

{groups}
Some keys (all of them, with their values: python run.py --cfg job; their meaning: configs/)
  seed=0                   initial weights, batch order, augmentation
  trainer.epochs=3         passes over the training data
  trainer.max_steps=20     stop after so many steps, then evaluate
  trainer.device=cpu       auto, cpu, cuda, cuda:1
  data.root=FOLDER         where the data is, or is fetched to
  output_root=outputs      where runs and their ledger are kept
  force=true               run again from the start, also where a result stands
  act.kwargs.KEY=VALUE     an option of the activation

Examples
  python run.py task=cifar100 act=carelu data=sample recipe=small   a small run on bundled images
  python run.py task=cifar100 act=relu                              the published recipe (for a GPU)
  python run.py -m act=carelu,relu,gelu seed=0,1,2 recipe=small     a sweep of nine runs
  torchrun --nproc_per_node=4 run.py task=cifar100 act=relu         one run on four GPUs

Exit codes: 0 finished, 1 failed, 2 bad input, 3 diverged, 75 stopped by a signal (the same command goes on).
Hydra's own options: python run.py --hydra-help"""


def help_text() -> str:
    """The text of `--help`: every group with its options, as their files describe them."""
    lines = []
    tasks = words_of("task")
    for group in (*GROUPS, *(["experiment"] if words_of("experiment") else [])):
        lines.append(f"{group}: {_MEANINGS[group]}")
        if group in BY_TASK:
            for task in tasks:
                lines += [f"  for task={task}", *_listed(words_of(group, task), indent=4)]
        else:
            lines += _listed(words_of(group), indent=2)
        lines.append("")
    return _HELP.format(groups="\n".join(lines))


def _listed(words: dict[str, str], indent: int) -> list[str]:
    return [f"{' ' * indent}{word:<{20 - indent}} {meaning}" for word, meaning in words.items()]


def complain(error: BadInput) -> int:
    """Prints the error, once where several processes share a run; returns its exit code."""
    if speaks():
        print(f"error: {error}", file=sys.stderr)
    else:
        give_way()
    return BAD_INPUT


def run_job(cfg: DictConfig, choices: dict[str, str]) -> int:
    """Performs one run and shows how it ended; returns its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # outside of training like Ctrl-C
    try:
        check_choices(choices)
        check_values(cfg)
        # torch is imported only now, so that what is checked above is answered at once.
        from experiments.runner import perform
        from experiments.terminal import Display

        display = Display(quiet=not speaks())
        outcome = perform(cfg, choices, display)
    except BadInput as error:
        return complain(error)
    except OtherProcessFailed as error:
        if str(error):
            print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("stopped outside of training; what was written is kept, the same command goes on", file=sys.stderr)
        return STOPPED
    except Exception:
        traceback.print_exc()
        return FAILED
    if outcome.result is None:
        return STOPPED
    display.result(outcome.identity, outcome.result, outcome.again)
    return _BY_STATUS[outcome.result["status"]]

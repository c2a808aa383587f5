"""The text of `python run.py --help`, made from the files in configs/."""

from experiments.configuration.composition import (
    GROUPS,
    GROUPS_BY_TASK,
    LAUNCHER,
    SWEEPER,
    launchers,
    options_of,
    sweepers,
)

_MEANINGS = {
    "task": "what is learned",
    "act": "the activation",
    "recipe": "how long and how it is trained",
    "data": "which data",
    "model": "which model",
    "optim": "the optimiser",
    "trainer": "device, precision, batch size, checkpoints",
    "logger": "where else to log",
    "experiment": "a ready-made sweep: python run.py -m +experiment=NAME",
    "hydra/launcher": "how the runs of a sweep are started",
    "hydra/sweeper": "which runs a sweep has",
}

_HELP = """\
Trains an activation on a task and records the result. A stopped run resumes.

usage: python run.py [KEY=VALUE ...]              one run
       python run.py -m [KEY=A,B,C ...]           a sweep over every combination, summed up at its end
       python run.py -m +experiment=NAME          a ready-made sweep, like paper_all or competition
       python run.py -m … --dry-run               which runs a sweep has, what is finished, how long the rest takes
       python run.py … +find=lr                   a range test of learning rates, plotted, with a suggested value
       python run.py -m … hydra/launcher=pool     several runs at once; others: {launchers}
       python run.py -m … hydra/sweeper=verdict   adds seeds until act=A,B,C are compared; without seed=

Examples
  python run.py task=cifar100 act=carelu data=sample recipe=small   a small run on bundled images
  python run.py task=cifar100 act=relu                              the published recipe (for a GPU)
  python run.py -m act=carelu,relu,gelu seed=0,1,2 recipe=small     a sweep of nine runs
  python run.py -m +experiment=paper_all recipe=small               every task and activation, on two cores
  torchrun --nproc_per_node=4 run.py task=cifar100 act=relu         one run on four GPUs

Repeat a command to resume it: finished runs are skipped, stopped runs resume, failed runs restart.
Exit codes: 0 finished, 1 failed, 2 bad input, 3 diverged, 75 stopped by a signal; for a sweep the largest of its runs.

{groups}
Some keys (all of them, with their values: python run.py --cfg job; their meaning: configs/)
  seed=0                   initial weights, batch order, augmentation
  trainer.epochs=3         passes over the training data
  trainer.max_steps=20     stop after so many steps, then evaluate
  trainer.device=cpu       auto, cpu, cuda, cuda:1
  trainer.threads=2        CPU threads, which affect results; null: this machine's
  data_root=FOLDER         where data is, or is downloaded to; data.root=FOLDER for one task
  output_root=outputs      where runs and their ledger are kept
  force=true               restart the run, even if it has a result
  act.options.KEY=VALUE    an option of the activation
  hydra.launcher.workers=2 runs at once in all (hydra/launcher=pool)
  hydra.launcher.per_gpu=2 runs at once on each GPU (hydra/launcher=pool)

Tasks, data and activations of your own: python run.py --config-dir FOLDER …, or CARELU_CONFIG_DIR=FOLDER;
installed packages bring theirs (docs/adding-an-activation.md)
Hydra's own options: python run.py --hydra-help"""


def help_text() -> str:
    """The text of `--help`: every group with its options and their descriptions."""
    lines = []
    tasks = options_of("task")
    of_hydra = {LAUNCHER: launchers, SWEEPER: sweepers}
    for group in (*GROUPS, "experiment", *of_hydra):
        lines.append(f"{group}: {_MEANINGS[group]}")
        if group in GROUPS_BY_TASK:
            for task in tasks:
                lines += [f"  for task={task}", *_listed(options_of(group, task), indent=4)]
        else:
            lines += _listed(of_hydra[group]() if group in of_hydra else options_of(group), indent=2)
        lines.append("")
    return _HELP.format(
        launchers=", ".join(word for word in launchers() if word not in ("basic", "pool")),
        groups="\n".join(lines),
    )


def _listed(words: dict[str, str], indent: int) -> list[str]:
    return [f"{' ' * indent}{word:<{20 - indent}} {meaning}" for word, meaning in words.items()]

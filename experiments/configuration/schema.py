"""Which values a configuration may hold: a rule a key, and what is said of a value outside of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from omegaconf import DictConfig

from experiments.configuration.composition import GROUPS_BY_TASK, as_dict, flatten, literal, options_of
from experiments.errors import BadInput, unknown


@dataclass(frozen=True)
class _Rule:
    accepted: str
    holds: Callable[[object], bool]


def _integer(minimum: int, below: float = math.inf, optional: bool = False) -> _Rule:
    return _Rule(
        f"an integer ≥ {minimum}" + (f" and < {below}" if below < math.inf else "") + (" or null" if optional else ""),
        lambda v: (optional and v is None) or (isinstance(v, int) and not isinstance(v, bool) and minimum <= v < below),
    )


def _number(minimum: float, below: float = math.inf, exclusive: bool = False, optional: bool = False) -> _Rule:
    bound = f"{'>' if exclusive else '≥'} {minimum}" + ("" if below == math.inf else f" and < {below}")
    return _Rule(
        f"a number {bound}" + (" or null" if optional else ""),
        lambda v: (
            (optional and v is None)
            or (
                (isinstance(v, int | float) and not isinstance(v, bool))
                and (v > minimum if exclusive else v >= minimum)
                and v < below
            )
        ),
    )


def _one_of(*words: str) -> _Rule:
    return _Rule(", ".join(words), lambda v: v in words)


_BOOLEAN = _Rule("true or false", lambda v: isinstance(v, bool))
_FOLDER = _Rule("the path of a folder", lambda v: isinstance(v, str) and bool(v))
_PATH = _Rule("the path of a file or folder", _FOLDER.holds)
_WORD = _Rule("a name", _FOLDER.holds)

_VALIDATION_KEYS = ("data.validation", "data.held_out")
"""What gives a task its evaluation set "validation": a set of its own, or a part of train."""


def _optional(rule: _Rule) -> _Rule:
    return _Rule(f"{rule.accepted} or null", lambda v: v is None or rule.holds(v))


def _names(accepted: str, at_least: int, at_most: float = math.inf) -> _Rule:
    return _Rule(
        accepted,
        lambda v: (
            isinstance(v, list)
            and at_least <= len(v) <= at_most
            and all(isinstance(name, str) and name for name in v)
            and len(set(v)) == len(v)
        ),
    )


_RULES = {
    "seed": _integer(0, below=2**63),
    "force": _BOOLEAN,
    "output_root": _FOLDER,
    "data_root": _FOLDER,
    "jobs_per_gpu": _integer(1),
    "data.root": _FOLDER,
    "data.download": _BOOLEAN,
    "data.held_out": _integer(0),
    "data.train_lr": _optional(_FOLDER),
    "data.test_lr": _optional(_FOLDER),
    "data.test_root": _FOLDER,
    "data.test_sets": _Rule(
        "a list of different names other than test, like [set5,set14]",
        lambda v: isinstance(v, list) and all(isinstance(e, str) and e for e in v) and len({*v, "test"}) == len(v) + 1,
    ),
    "data.train": _optional(_PATH),
    "data.validation": _optional(_PATH),
    "data.test": _optional(_PATH),
    "data.text": _names("one column or two, like [premise,hypothesis]", 1, 2),
    "data.label": _Rule("the name of a column", lambda v: isinstance(v, str) and bool(v)),
    "data.classes": _optional(_names("a list of two or more different names", 2)),
    "data.unlabelled": _Rule("a label or null", lambda v: v is None or isinstance(v, int | str)),
    "data.drop_empty": _BOOLEAN,
    "data.train_rows": _integer(1, optional=True),
    "data.tokenizer": _optional(_Rule("a folder or a hub name", lambda v: isinstance(v, str) and bool(v))),
    "data.vocabulary_size": _integer(100),
    "data.lowercase": _BOOLEAN,
    "data.max_length": _integer(4),
    "data.tokens_per_batch": _integer(8),
    "data.cache": _FOLDER,
    "model.layers": _integer(1),
    "model.head_size": _integer(1),
    "model.feed_forward_factor": _integer(1),
    "model.mlp_layers": _integer(1),
    "model.dropout": _number(0, below=1),
    "model.pretrained": _optional(_Rule("a folder or a hub name", lambda v: isinstance(v, str) and bool(v))),
    "model.width": _integer(1),
    "model.blocks": _integer(1),
    "model.features": _integer(1),
    "model.pixel_range": _number(0, exclusive=True),
    "trainer.epochs": _integer(1),
    "trainer.max_steps": _integer(1, optional=True),
    "trainer.batch_size": _integer(1),
    "trainer.evaluation_batch_size": _integer(1),
    "trainer.evaluate_every": _integer(1),
    "trainer.selection": _one_of("last", "validation"),
    "trainer.device": _Rule(
        "auto, cpu, cuda or cuda:N",
        lambda v: v in ("auto", "cpu", "cuda") or (isinstance(v, str) and v[:5] == "cuda:" and v[5:].isdigit()),
    ),
    "trainer.precision": _one_of("auto", "float32", "bfloat16", "float16"),
    "trainer.channels_last": _BOOLEAN,
    "trainer.compile": _BOOLEAN,
    "trainer.checkpoint_minutes": _number(0, exclusive=True),
    "optim.optimizer.lr": _number(0, exclusive=True),
    "optim.optimizer.momentum": _number(0, below=1),
    "optim.optimizer.weight_decay": _number(0),
    "optim.optimizer.nesterov": _BOOLEAN,
    "optim.activation_lr_multiplier": _number(0),
    "optim.gradient_clip_norm": _number(0, exclusive=True, optional=True),
    "optim.schedule.name": _one_of("constant", "step", "linear", "cosine"),
    "optim.schedule.warmup_epochs": _number(0),
    "optim.schedule.milestones": _Rule(
        "a list of rising epochs > 0, like [60,120,160]",
        lambda v: isinstance(v, list) and all(isinstance(e, int | float) and e > 0 for e in v) and v == sorted(set(v)),
    ),
    "optim.schedule.decay": _number(0, exclusive=True),
    "task.label_smoothing": _number(0, below=1),
    "task.scale": _Rule("2, 3 or 4", lambda v: isinstance(v, int) and v in (2, 3, 4)),
    "task.patch": _integer(1),
    "task.steps_per_epoch": _integer(1),
    "task.augmentation.quarter_turns": _BOOLEAN,
    "task.augmentation.crop_padding": _integer(0),
    "task.augmentation.flip": _BOOLEAN,
    "task.augmentation.rotation_degrees": _number(0, below=180.001),
    "hydra.launcher.n_jobs": _Rule("an integer ≥ 1, or -1", lambda v: isinstance(v, int) and (v == -1 or v >= 1)),
    "hydra.launcher.nodes": _Rule("1, as a run is one process", lambda v: v == 1),
    "hydra.launcher.tasks_per_node": _Rule("1, as a run is one process", lambda v: v == 1),
    "hydra.launcher.timeout_min": _integer(1),
    "hydra.launcher.signal_delay_s": _integer(1),
    "hydra.launcher.max_num_timeout": _integer(0),
    "hydra.launcher.array_parallelism": _integer(1),
    "hydra.launcher.gpus_per_node": _integer(0, optional=True),
    "hydra.launcher.cpus_per_task": _integer(1, optional=True),
    "hydra.launcher.mem_gb": _number(0, exclusive=True, optional=True),
    "hydra.launcher.partition": _optional(_WORD),
    "hydra.launcher.account": _optional(_WORD),
    "hydra.launcher.qos": _optional(_WORD),
    "hydra.launcher.constraint": _optional(_WORD),
    "logger.mode": _one_of("auto", "online", "offline"),
}


def check_values(cfg: DictConfig) -> None:
    """Raises `BadInput` for the first value that is out of its range."""
    leaves = flatten(as_dict(cfg))
    check_leaves(leaves)
    if leaves.get("trainer.selection") == "validation":
        sources = [key for key in _VALIDATION_KEYS if key in leaves]
        if not any(leaves[key] for key in sources) and "validation" not in leaves.get("data.test_sets", []):
            ways_out = " or ".join(["trainer.selection=last", *(f"{key}=…" for key in sources)])
            raise BadInput(f"trainer.selection=validation needs a set to select on, and there is none; set {ways_out}")


def check_leaves(leaves: dict[str, object]) -> None:
    """Raises `BadInput` for the first of these values, by dotted key, that is out of its range."""
    for key, value in leaves.items():
        rule = _RULES.get(key)
        if rule and not rule.holds(value):
            raise BadInput(f"{key}={literal(value)} is not accepted; accepted: {rule.accepted}")


def check_choices(choices: dict[str, str]) -> None:
    """Raises `BadInput` for a data, model or recipe that the chosen task does not have."""
    task = choices["task"]
    for group in GROUPS_BY_TASK:
        known = options_of(group, task)
        if known and choices[group] not in known:
            raise unknown(f"{group} for task={task}:", choices[group], known)

"""Random overrides of a configuration, for the tests here and for `scripts/soak.py`."""

import functools
import random

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.composition import as_dict, compose, flatten
from experiments.configuration.schema import Config, validate
from experiments.errors import BadInput

TASKS = ("cifar100", "superres", "text")

VALUES = (
    *("0", "-1", "1", "2", "1.0", "0.5", "-0.5", "1e-308", "1e308", "-1e308", "nan", "inf", "-inf", "1_000"),
    *("9223372036854775807", "9223372036854775808", "1e9", "1000000001", "true", "false", "null", "''", "' '", "???"),
    *("[]", "[0]", "[1,2]", "[2,1]", "[true]", "[nan]", "[a,a]", "[[]]", "{}", "{a:1}", "{a:{b:nan}}", "text"),
    *(
        "'${seed}'",
        "${seed}",
        "${nothing}",
        "'\\${oc.env:HOME}'",
        "cuda:0",
        "cuda:99999999999",
        "ü",
        "'\\n'",
        "_target_",
    ),
)
"""What an override may give: what is right for some key, and what is right for none."""


@functools.cache
def usual(task: str) -> tuple[DictConfig, tuple[str, ...]]:
    """The composed configuration of a task, and its keys."""
    cfg, _ = compose([f"task={task}"])
    leaves = list(flatten(as_dict(cfg)))
    nodes = {".".join(key.split(".")[:depth]) for key in leaves for depth in range(1, key.count(".") + 1)}
    return cfg, tuple(sorted({*leaves, *nodes, "optim.optimizer.further", "nothing.such"}))


def random_overrides(chance: random.Random) -> tuple[str, list[str]]:
    """A task, and one to three overrides of its configuration."""
    task = chance.choice(TASKS)
    _, keys = usual(task)
    return task, [f"{chance.choice(keys)}={chance.choice(VALUES)}" for _ in range(chance.randint(1, 3))]


def outcome(task: str, overrides: list[str]) -> Config | BadInput:
    """The typed configuration for overrides, or the one error that says what is wrong.

    Raises:
        Exception: anything else, which a person would see as a traceback.
    """
    cfg = OmegaConf.create(OmegaConf.to_container(usual(task)[0], resolve=False))
    try:
        try:
            for override in OverridesParser.create().parse_overrides(overrides):
                OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True)
            as_dict(cfg)
        except (HydraException, OmegaConfBaseException) as error:  # as `check_command` answers them
            return BadInput(" ".join(str(error).split()))
        return validate(cfg)
    except BadInput as error:
        return error

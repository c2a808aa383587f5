"""From chosen words and values to a configuration.

Imports neither torch nor data, so that a typing error is answered at once.
"""

import json
import re
import warnings
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict

ROOT = Path(__file__).parents[2]
CONFIG_DIR = ROOT / "configs"

# The files in configs/hydra/launcher are laid over those of the same name that come with Hydra's launchers, as meant.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
OmegaConf.register_new_resolver("checkout", lambda path: str(ROOT / path), replace=True)  # ${checkout:FOLDER}

GROUPS_BY_TASK = ("data", "model", "recipe")
"""Groups whose words each task understands in its own way."""

LAUNCHER = "hydra/launcher"
"""The group that says where the runs of a sweep take place."""

GROUPS = ("task", "act", "recipe", "data", "model", "optim", "trainer", "logger")
"""The groups that make up a run; `experiment` is laid over them."""

SET_BY_GROUP = {f"{group}.name": group for group in ("task", "act", "data", "model")} | {"recipe": "recipe"}
"""Keys that say what was chosen and the group whose word chooses it; the record relies on them."""

SHOW_KEYS = "all keys and their values: python run.py --cfg job"


def options_of(group: str, task: str | None = None) -> dict[str, str]:
    """The options of a group and what each is: the first line of its file that says so."""
    folder = CONFIG_DIR / group / (task or "")
    return {file.stem: _first_comment(file) for file in sorted(folder.glob("*.yaml"))}


def launchers() -> dict[str, str]:
    """The options of hydra/launcher, and what each is."""
    return {"basic": "One run after the other, in one process", **options_of(LAUNCHER)}


def _first_comment(file: Path) -> str:
    comments = (line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def compose(overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """The configuration for `overrides`, and the option chosen in each group.

    Raises:
        HydraException, OmegaConfBaseException: the overrides do not compose.
    """
    cfg = compose_with_hydra(overrides)
    return without_hydra(cfg), dict(cfg.hydra.runtime.choices)


def compose_with_hydra(overrides: list[str]) -> DictConfig:
    """The configuration for `overrides`, with Hydra's own under `hydra`: launcher, sweeper and the sweep's folder.

    Raises:
        HydraException, OmegaConfBaseException: the overrides do not compose.
    """
    if GlobalHydra.instance().is_initialized():
        return hydra.compose("config", overrides, return_hydra_config=True)
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return hydra.compose("config", overrides, return_hydra_config=True)


def without_hydra(cfg: DictConfig) -> DictConfig:
    """A copy of `cfg` that is only about the run."""
    cfg = cfg.copy()
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def flatten(node: object, prefix: str = "") -> dict[str, object]:
    """The leaves of a nested dict by dotted key; lists and empty dicts are leaves."""
    if isinstance(node, dict) and node:
        return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".strip(".")).items()}
    return {prefix: node}


def as_dict(cfg: DictConfig) -> dict[str, object]:
    """`cfg` as plain dicts and lists, interpolations resolved."""
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


def _stays_text(value: str) -> bool:
    """Whether Hydra reads `value`, written without quotes, as the same text."""
    if not re.fullmatch(r"[\w./:%@?|+*~-]+", value) or value.lower() in ("null", "true", "false"):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def literal(value: object) -> str:
    """`value` as Hydra's command line takes it."""
    if isinstance(value, str):
        return value if _stays_text(value) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value, separators=(",", ":"))

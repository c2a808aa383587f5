"""Composes a configuration from chosen options and values.

Imports neither torch nor data, so that a typing error is reported at once.
"""

import functools
import itertools
import json
import os
import pickle
import re
import warnings
from pathlib import Path

import hydra
import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel

from experiments.configuration.plugins import installed_folders
from experiments.errors import BadInput, unknown

ROOT = Path(__file__).parents[2]
CONFIG_DIR = ROOT / "configs"

# The files in configs/hydra/launcher extend those of the same name in Hydra's launchers, as intended.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
OmegaConf.register_new_resolver("checkout", lambda path: str(ROOT / path), replace=True)  # ${checkout:FOLDER}

GROUPS_BY_TASK = ("data", "model", "recipe")
"""Groups with a folder of options per task."""

LAUNCHER = "hydra/launcher"
"""The group that chooses how the runs of a sweep are started."""

SWEEPER = "hydra/sweeper"
"""The group that chooses which runs a sweep has."""

GROUPS = ("task", "act", "recipe", "data", "model", "optim", "trainer", "logger")
"""The groups that make up a run; `experiment` overrides them."""

SET_BY_GROUP = {f"{group}.name": group for group in ("task", "act", "data", "model")} | {
    "recipe": "recipe",
    "task.package": "task",
    "act.package": "act",
    "data.source": "data",
    "model.architecture": "model",
}
"""Keys that name a choice → the group that sets them; the record relies on them."""

SHOW_KEYS = "all keys and their values: python run.py --cfg job"


FOLDERS_VARIABLE = "CARELU_CONFIG_DIR"
"""The environment variable that names further folders of configuration, separated as in PATH."""


def config_folders() -> list[Path]:
    """The folders that hold configuration: configs/, those of `FOLDERS_VARIABLE`, and those of installed packages.

    Raises:
        BadInput: one of them does not exist.
    """
    further = [Path(name) for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name]
    for folder in further:
        if not folder.is_dir():
            raise BadInput(
                f"{FOLDERS_VARIABLE}={os.environ[FOLDERS_VARIABLE]}: there is no folder {folder}; "
                "name folders that hold task/, data/ and so on, as configs/ does"
            )
    return [CONFIG_DIR, *further, *installed_folders()]


def add_config_folders(args: list[str]) -> None:
    """Registers the folders of `--config-dir` in this process and in those that it starts.

    Raises:
        BadInput: one of them does not exist.
    """
    names = [arg.partition("=")[2] for arg in args if arg.startswith("--config-dir=")]
    names += [name for option, name in itertools.pairwise(args) if option in ("--config-dir", "-cd")]
    known = [name for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name]
    folders = dict.fromkeys([*known, *(str(Path(name).absolute()) for name in names)])
    if names:
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join(folders)
    config_folders()


class _FurtherFolders(SearchPathPlugin):
    """Lets Hydra find the further folders of configuration, and the options of `GROUPS_BY_TASK`.

    An option needs one file per task that has it, and no other: data/<task>/sample.yaml makes `data=sample` an option
    of the group `data`.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in config_folders()[1:]:
            search_path.append("carelu", f"file://{folder.absolute()}")
        store = ConfigStore.instance()
        for group in GROUPS_BY_TASK:
            for word in options_of(group):
                if group == "recipe":
                    store.store(group=group, name=word, node={"recipe": word}, package="_global_")
                else:
                    store.store(group=group, name=word, node={})


Plugins.instance().register(_FurtherFolders)


def options_of(group: str, task: str | None = None) -> dict[str, str]:
    """The options of a group → their descriptions, from the first comment of each file.

    Without a task, a group in `GROUPS_BY_TASK` has the options of all tasks.
    """
    pattern = "*/*.yaml" if group in GROUPS_BY_TASK and task is None else "*.yaml"
    files = [file for folder in config_folders() for file in sorted((folder / group / (task or "")).glob(pattern))]
    meanings: dict[str, str] = {}
    for file in files:
        meanings.setdefault(file.stem, _first_comment(file, file.stat().st_mtime_ns))
    return dict(sorted(meanings.items()))


def option_file(group: str, option: str) -> Path:
    """The file of an option; the first where several folders have one.

    Raises:
        BadInput: there is none.
    """
    files = [folder / group / f"{option}.yaml" for folder in config_folders()]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise unknown(group, option, options_of(group))
    return found


def activation_files(name: str) -> dict[str, dict[str, object]]:
    """The options of `act` that choose the activation `name` → the options of it that they set; `name` itself first.

    A file that cannot be read is left out, as it may be one that no run asks for.
    """
    found = {}
    for word in sorted(options_of("act"), key=lambda word: (word != name, word)):
        file = option_file("act", word)
        content = _content(file, file.stat().st_mtime_ns)
        if content.get("name") == name:
            options = content.get("options")
            found[word] = options if isinstance(options, dict) else {}
    return found


@functools.cache
def _content(file: Path, _changed: int) -> dict[str, object]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(file))  # it reads 1e-6 as a number, as Hydra does
    except (OSError, UnicodeError, yaml.YAMLError, OmegaConfBaseException):
        return {}
    return content if isinstance(content, dict) else {}


def sweepers() -> dict[str, str]:
    """The options of hydra/sweeper → their descriptions."""
    return {"basic": "Every combination of the values", **options_of(SWEEPER)}


def launchers() -> dict[str, str]:
    """The options of hydra/launcher → their descriptions."""
    return {"basic": "One run after the other, in one process", **options_of(LAUNCHER)}


@functools.cache
def _first_comment(file: Path, _changed: int) -> str:
    comments = (line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def compose(overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """The configuration for `overrides`, and the option chosen in each group.

    Raises:
        HydraException, OmegaConfBaseException: the overrides do not compose.
    """
    if GlobalHydra.instance().is_initialized():
        cfg = compose_with_hydra(overrides)
        choices = dict(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        return cfg, choices
    _, own, choices = _composed(tuple(overrides), os.getcwd(), _state_of_files())
    return pickle.loads(own), dict(choices)


def compose_with_hydra(overrides: list[str]) -> DictConfig:
    """The configuration for `overrides`, with Hydra's own under `hydra`: launcher, sweeper and the sweep's folder.

    Raises:
        HydraException, OmegaConfBaseException: the overrides do not compose.
    """
    if GlobalHydra.instance().is_initialized():
        return hydra.compose("config", overrides, return_hydra_config=True)
    whole, _, _ = _composed(tuple(overrides), os.getcwd(), _state_of_files())
    return pickle.loads(whole)


@functools.lru_cache(maxsize=8)  # checking a command line asks for one several times
def _composed(
    overrides: tuple[str, ...], _working_directory: str, _files: object
) -> tuple[bytes, bytes, dict[str, str]]:
    """The configuration with Hydra's part, and without it, pickled, as that copies faster; the choices."""
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        cfg = hydra.compose("config", list(overrides), return_hydra_config=True)
    choices = dict(cfg.hydra.runtime.choices)
    whole = pickle.dumps(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return whole, pickle.dumps(cfg), choices


def _state_of_files() -> tuple[object, ...]:
    """What changes when a file of configuration is added, removed or changed."""
    states = []
    for place, _, names in (found for folder in config_folders() for found in os.walk(folder)):
        for file in (os.path.join(place, name) for name in names if name.endswith(".yaml")):
            status = os.stat(file)
            states.append((file, status.st_mtime_ns, status.st_size))
    return tuple(sorted(states))


def flatten(node: object, prefix: str = "") -> dict[str, object]:
    """The leaves of a nested dict by dotted key; lists and empty dicts are leaves."""
    if isinstance(node, dict) and node:
        return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".strip(".")).items()}
    return {prefix: node}


def as_dict(cfg: DictConfig | BaseModel) -> dict[str, object]:
    """`cfg` as plain dicts and lists, interpolations resolved."""
    if isinstance(cfg, BaseModel):
        return cfg.model_dump()
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


def _stays_text(value: str) -> bool:
    """Whether Hydra reads `value`, written without quotes, as the same text."""
    if not re.fullmatch(r"[\w./:%@?|+*-]+", value, re.ASCII) or value.lower() in ("null", "true", "false"):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def literal(value: object) -> str:
    """`value` as Hydra's command line takes it."""
    if isinstance(value, list):
        return f"[{','.join(map(literal, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if _stays_text(value) else _quoted(value)
    return json.dumps(value)


def _quoted(value: str) -> str:
    """`value` in quotes: for OmegaConf `${` is escaped, for Hydra quotes and the backslashes before them."""
    value = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", value)
    value = re.sub(r"(\\*)'", lambda found: 2 * found[1] + "\\'", value)
    value = re.sub(r"\\+\Z", lambda found: 2 * found[0], value)
    return f"'{value}'"

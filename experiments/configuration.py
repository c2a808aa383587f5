"""From chosen words and values to a configuration, and from a configuration to a run's names.

Imports neither torch nor data, so that a typing error is answered at once.
"""

import hashlib
import json
import re
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.errors import BadInput, unknown

ROOT = Path(__file__).parent.parent
CONFIG_DIR = ROOT / "configs"

# The files in configs/hydra/launcher are laid over those of the same name that come with Hydra's launchers, as meant.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
OmegaConf.register_new_resolver("checkout", lambda path: str(ROOT / path), replace=True)  # ${checkout:FOLDER}

BY_TASK = ("data", "model", "recipe")
"""Groups whose words each task understands in its own way."""

LAUNCHER = "hydra/launcher"
"""The group that says where the runs of a sweep take place."""

GROUPS = ("task", "act", "recipe", "data", "model", "optim", "trainer", "logger")
"""The groups that make up a run; `experiment` is laid over them."""

WHERE_NOT_WHAT = (
    "output_root",
    "data_root",
    "force",
    "jobs_per_gpu",
    "logger",
    "data.root",
    "data.download",
    "data.test_root",
    "data.cache",
    "trainer.checkpoint_minutes",
)
"""Keys (or their parents) that say where and how a run is kept, not what it computes."""

DECIDED_BY_WORD = {f"{group}.name": group for group in ("task", "act", "data", "model")} | {"recipe": "recipe"}
"""Keys that say what was chosen and the group whose word chooses it; the record relies on them."""

OWN_COLUMN = ("seed", "act", "data", "model", "trainer.device", "trainer.precision")
"""Keys (or their parents) that the record names in columns of their own, beside the recipe's."""

SHOW_KEYS = "all keys and their values: python run.py --cfg job"


def words_of(group: str, task: str | None = None) -> dict[str, str]:
    """The options of a group and what each is: the first line of its file that says so."""
    folder = CONFIG_DIR / group / (task or "")
    return {file.stem: _first_comment(file) for file in sorted(folder.glob("*.yaml"))}


def launchers() -> dict[str, str]:
    """The options of hydra/launcher, and what each is."""
    return {"basic": "One run after the other, in one process", **words_of(LAUNCHER)}


def _first_comment(file: Path) -> str:
    comments = (line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


# --- composing -----------------------------------------------------------------------------------


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


def _under(key: str, parents: tuple[str, ...]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def as_dict(cfg: DictConfig) -> dict[str, object]:
    """`cfg` as plain dicts and lists, interpolations resolved."""
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


# --- naming --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """What a run is called, and the command that makes it again."""

    task: str
    model: str
    data: str
    recipe: str
    act: str
    seed: int
    config_hash: str
    run_id: str
    command: str
    directory: Path
    """`<output_root>/<task>/<recipe>/<act>/s<seed>-<config_hash>`."""
    elsewhere: list[str]
    """The overrides that say where it is kept, which are not part of what it is."""


def identify(cfg: DictConfig, choices: dict[str, str]) -> Identity:
    """The names of the run that `cfg` describes; device and precision must be settled in it.

    Every setting that departs from what the chosen words stand for shows in one of the names, so
    that two runs with the same task, model, data, recipe, act, device and precision differ in their
    seed alone.

    Raises:
        BadInput: a key that no file in configs/ knows, or a name that its word did not choose.
    """
    words = [f"{group}={choices[group]}" for group in ("task", "act", "recipe", "data", "model")]
    usual, usual_choices = compose(words)
    swapped = {group: choices[group] for group in ("optim", "trainer") if choices[group] != usual_choices[group]}
    words += [f"{group}={word}" for group, word in swapped.items()]
    data_root = [] if cfg.data_root == usual.data_root else [f"data_root={literal(cfg.data_root)}"]
    usual, _ = compose([*words, *data_root])
    known, actual = (_canonical(flatten(as_dict(each))) for each in (usual, cfg))
    changed = {
        key: value
        for key, value in actual.items()
        if not _under(key, WHERE_NOT_WHAT) and (key not in known or known[key] != value)
    }
    of_model_name = [key for key in actual if f"${{.{key.removeprefix('model.')}}}" in _unresolved_model_name(cfg)]
    for key in changed:
        if key not in known:
            raise unknown("key", key, known, SHOW_KEYS)
        if key in DECIDED_BY_WORD and not (key == "model.name" and of_model_name):
            raise BadInput(f"{key}={actual[key]} cannot be set; choose with {DECIDED_BY_WORD[key]}=…")

    def label(name: str, group: str) -> str:
        own = {key: value for key, value in changed.items() if _under(key, (group,)) and key not in of_model_name}
        return _with_changes(name, {key.removeprefix(f"{group}."): value for key, value in own.items()})

    of_recipe = {key: value for key, value in changed.items() if not _under(key, OWN_COLUMN)}
    computed = {key: value for key, value in actual.items() if not _under(key, WHERE_NOT_WHAT)}
    computed["trainer.device"] = computed["trainer.device"].split(":")[0]
    config_hash = hashlib.sha256(json.dumps(computed, sort_keys=True).encode()).hexdigest()[:10]
    overrides = dict(changed)
    overrides.pop("model.name", None)
    overrides.update({key: computed[key] for key in ("seed", "trainer.device", "trainer.precision")})
    return Identity(
        task=choices["task"],
        model=label(actual["model.name"], "model"),
        data=label(actual["data.name"], "data"),
        recipe=_with_changes(choices["recipe"], {**of_recipe, **swapped}),
        act=label(actual["act.name"], "act.kwargs"),
        seed=actual["seed"],
        config_hash=config_hash,
        run_id=f"{choices['task']}-{choices['recipe']}-{choices['act']}-s{actual['seed']}-{config_hash}",
        command=shlex.join(
            ["python", "run.py", *words, *(f"{key}={literal(value)}" for key, value in overrides.items())]
        ),
        directory=Path(
            cfg.output_root,
            *(choices[group] for group in ("task", "recipe", "act")),
            f"s{actual['seed']}-{config_hash}",
        ),
        elsewhere=[
            *([] if choices["logger"] == "none" else [f"logger={choices['logger']}"]),
            *data_root,
            *(
                f"{key}={literal(value)}"
                for key, value in actual.items()
                if _under(key, WHERE_NOT_WHAT) and not _under(key, ("force", "jobs_per_gpu", "logger"))
                if key in known and known[key] != value
            ),
        ],
    )


def _unresolved_model_name(cfg: DictConfig) -> str:
    return OmegaConf.to_container(cfg, resolve=False)["model"]["name"]


def _canonical(leaves: dict[str, object]) -> dict[str, object]:
    """`leaves` with 2.0 written as 2, so that one value has one name."""

    def plain(value: object) -> object:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return {key: plain(value) for key, value in leaves.items()}


def _with_changes(name: str, changes: dict[str, object]) -> str:
    changes = {key: value for key, value in changes.items() if key != "name"}
    listed = ", ".join(f"{key}={literal(value)}" for key, value in sorted(changes.items()))
    return f"{name}({listed})" if listed else name


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

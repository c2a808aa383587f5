"""From a configuration to a run's names: what is computed decides them, never where code or files lie."""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from experiments.configuration.composition import SET_BY_GROUP, SHOW_KEYS, as_dict, compose, flatten, literal
from experiments.errors import BadInput, unknown

KEYS_NOT_HASHED = (
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

OWN_COLUMN = ("seed", "act", "data", "model", "trainer.device", "trainer.precision")
"""Keys (or their parents) that the record names in columns of their own, beside the recipe's."""


def _under(key: str, parents: tuple[str, ...]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


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
        if not _under(key, KEYS_NOT_HASHED) and (key not in known or known[key] != value)
    }
    of_model_name = [key for key in actual if f"${{.{key.removeprefix('model.')}}}" in _unresolved_model_name(cfg)]
    for key in changed:
        if key not in known:
            raise unknown("key", key, known, SHOW_KEYS)
        if key in SET_BY_GROUP and not (key == "model.name" and of_model_name):
            raise BadInput(f"{key}={actual[key]} cannot be set; choose with {SET_BY_GROUP[key]}=…")

    def label(name: str, group: str) -> str:
        own = {key: value for key, value in changed.items() if _under(key, (group,)) and key not in of_model_name}
        return _with_changes(name, {key.removeprefix(f"{group}."): value for key, value in own.items()})

    of_recipe = {key: value for key, value in changed.items() if not _under(key, OWN_COLUMN)}
    computed = {key: value for key, value in actual.items() if not _under(key, KEYS_NOT_HASHED)}
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
        act=label(actual["act.name"], "act.options"),
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
                if _under(key, KEYS_NOT_HASHED) and not _under(key, ("force", "jobs_per_gpu", "logger"))
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

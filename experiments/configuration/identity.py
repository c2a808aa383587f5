"""The names and hash of a run. They depend on what its configuration computes, not on paths of code or files."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from experiments.configuration.composition import (
    SET_BY_GROUP,
    SHOW_KEYS,
    activation_files,
    as_dict,
    compose,
    flatten,
    literal,
)
from experiments.configuration.schema import Config, validate
from experiments.errors import BadInput, unknown

KEYS_NOT_HASHED = (
    "output_root",
    "data_root",
    "force",
    "logger",
    "data.root",
    "data.download",
    "data.test_root",
    "data.cache",
    "task.package",
    "act.package",
    "trainer.checkpoint_minutes",
)
"""Keys (or their parents) that do not affect what a run computes: output, logging, checkpoints."""

OWN_COLUMNS = ("seed", "trainer.device", "trainer.precision", "trainer.threads")
"""Keys with a column in the record, so they are not among the overrides."""


@dataclass(frozen=True)
class Identity:
    """The names of a run, and the command that repeats it.

    Args:
        task, model, data, recipe, act: the chosen names; `act` is a name of the registry, also where the option of
            `act` that gives these options has another, like `carelu_relu_start`.
        seed: the seed of the run.
        overrides: dotted key → value of all settings that differ from the named recipe, model, data and activation;
            where an option of `act` gives exactly these options, from the recipe with that option. Without seed,
            device, precision, threads, `KEYS_NOT_HASHED` and what the model's name holds, like the width of
            `resnet18-w32`. An optimizer other than the task's default is `{"optim": <its name>}`.
        config_hash: a hash of all settings that affect what is computed.
        run_id: `<task>-<recipe>-<act>-s<seed>-<config_hash>`.
        command: repeats the run.
        directory: `<output_root>/<task>/<recipe>/<act>/s<seed>-<config_hash>`.
        elsewhere: the overrides of `KEYS_NOT_HASHED`, which are not part of its identity.
        data_fingerprint: of the content of its data; empty where the task tells none.
    """

    task: str
    model: str
    data: str
    recipe: str
    act: str
    seed: int
    overrides: dict[str, object]
    config_hash: str
    run_id: str
    command: str
    directory: Path
    elsewhere: list[str]
    data_fingerprint: str = ""


def run_folder(output_root: str | Path, task: str, recipe: str, act: str, seed: int, config_hash: str) -> Path:
    """The directory of a run."""
    return Path(output_root, task, recipe, act, f"s{seed}-{config_hash}")


def under(key: str, parents: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of `parents` or below one of them."""
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def label(name: str, overrides: Mapping[str, object], prefix: str = "") -> str:
    """`name` with the overrides below `prefix`, like "carelu(gain=2)"; for display only."""
    own = {
        key.removeprefix(f"{prefix}."): value for key, value in overrides.items() if not prefix or under(key, (prefix,))
    }
    listed = ", ".join(f"{key}={literal(value)}" for key, value in sorted(own.items()))
    return f"{name}({listed})" if listed else name


def identify(cfg: DictConfig | Config, choices: dict[str, str], data_fingerprint: str = "") -> Identity:
    """The names of the run that `cfg` describes; device, precision and threads must be resolved in it.

    Every setting that differs from the defaults of the names is in `overrides`, so that two runs with the same names,
    overrides, device, precision and threads differ only in the seed, and in their data where the fingerprints differ.

    Args:
        cfg: the composed configuration.
        choices: the option chosen in each Hydra group.
        data_fingerprint: what the task tells of the content of its data (`Task.data_fingerprint`). It is part of the
            hash; the folders and files that hold the data are not. Empty: unknown.

    Raises:
        BadInput: a key that is in no file of the chosen options, or a name that its group did not set.
    """
    config = validate(cfg)
    names = {"task": config.task.name, "act": config.act.name, "recipe": config.recipe}
    act = word_of(config.act.name, config.act.options) or config.act.name
    words = [f"{group}={name}" for group, name in {**names, **_chosen(choices, "data", "model"), "act": act}.items()]
    usual, usual_choices = compose(words)
    swapped = {group: choices[group] for group in ("optim", "trainer") if choices[group] != usual_choices[group]}
    words += [f"{group}={word}" for group, word in swapped.items()]
    data_root = [] if config.data_root == usual.data_root else [f"data_root={literal(config.data_root)}"]
    if swapped or data_root:
        usual, _ = compose([*words, *data_root])
    known, actual = (as_recorded(flatten(as_dict(each))) for each in (usual, config))
    changed = {key: value for key, value in actual.items() if key not in known or known[key] != value}
    _refuse_what_cannot_be_set(changed, known)
    computed = {key: value for key, value in actual.items() if not under(key, KEYS_NOT_HASHED)}
    computed["trainer.device"] = computed["trainer.device"].split(":")[0]
    departures = {
        key: value for key, value in changed.items() if key in computed and key not in (*OWN_COLUMNS, *SET_BY_GROUP)
    }
    places = config.data.locations() if data_fingerprint else ()
    shown = {k: value for k, value in departures.items() if k not in places and not _is_in_name(k, usual)}
    content = {"data_fingerprint": data_fingerprint} if data_fingerprint else {}
    hashed = {key: value for key, value in computed.items() if key not in places} | content
    config_hash = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:10]
    settings = {**departures, **{key: computed[key] for key in OWN_COLUMNS}}
    return Identity(
        **names,
        model=config.model.name,
        data=config.data.name,
        seed=config.seed,
        overrides={**swapped, **_options_set_by(act, config.act.name), **shown},
        config_hash=config_hash,
        run_id=f"{'-'.join((names['task'], names['recipe'], names['act']))}-s{config.seed}-{config_hash}",
        command=shlex.join(["python", "run.py", *words, *(f"{k}={literal(value)}" for k, value in settings.items())]),
        directory=run_folder(config.output_root, **names, seed=config.seed, config_hash=config_hash),
        elsewhere=[
            *([] if choices["logger"] == "none" else [f"logger={choices['logger']}"]),
            *data_root,
            *(
                f"{key}={literal(value)}"
                for key, value in changed.items()
                if under(key, KEYS_NOT_HASHED) and not under(key, ("data_root", "force", "logger"))
            ),
        ],
        data_fingerprint=data_fingerprint,
    )


def word_of(activation: str, options: Mapping[str, object]) -> str | None:
    """The option of `act` that gives an activation exactly these options, or None; a recipe may have a value for it."""
    wanted = as_recorded(options)
    files = activation_files(activation).items()
    return next((word for word, given in files if as_recorded(given) == wanted), None)


def _options_set_by(word: str, activation: str) -> dict[str, object]:
    """The options of an activation that the option `word` of `act` sets unlike the file of its name."""
    files = activation_files(activation)
    usual, given = (as_recorded(files.get(each, {})) for each in (activation, word))
    return {f"act.options.{key}": value for key, value in given.items() if key not in usual or usual[key] != value}


def _is_in_name(key: str, usual: DictConfig) -> bool:
    """Whether a key of the model is part of its name, like the width in `resnet18-w${.width}`."""
    name = OmegaConf.to_container(usual, resolve=False)["model"]["name"]
    return f"${{.{key.removeprefix('model.')}}}" in name


def _chosen(choices: dict[str, str], *groups: str) -> dict[str, str]:
    return {group: choices[group] for group in groups}


def _refuse_what_cannot_be_set(changed: dict[str, object], known: dict[str, object]) -> None:
    """Raises `BadInput` for an unknown key, and for a name that its group did not set."""
    for key, value in changed.items():
        if key not in known and not under(key, KEYS_NOT_HASHED):
            raise unknown("key", key, known, SHOW_KEYS)
        follows = key == "model.name" and any(other.startswith("model.") for other in changed if other != key)
        if key in SET_BY_GROUP and not follows:
            raise BadInput(f"{key}={literal(value)} cannot be set; choose with {SET_BY_GROUP[key]}=…")


def as_recorded(leaves: Mapping[str, object]) -> dict[str, object]:
    """`leaves` with 2.0 written as 2, so that equal values hash equally, as overrides are recorded."""

    def plain(value: object) -> object:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return {key: plain(value) for key, value in leaves.items()}

"""The words of a command line: which options, and which settings of its own, Hydra gets; nothing of a run itself."""

import os
from collections import deque

from hydra.core.override_parser.types import Override

from experiments.configuration.composition import LAUNCHER, SWEEPER
from experiments.errors import BadInput, unknown

_SHORT = {
    **{"-h": "--help", "-m": "--multirun", "-r": "--run", "-sc": "--shell-completion", "-c": "--cfg"},
    **{"-p": "--package", "-i": "--info", "-cd": "--config-dir", "-cn": "--config-name", "-cp": "--config-path"},
}

_ALONE = ("--help", "--hydra-help", "--version", "--multirun", "--run", "--shell-completion", "--resolve")
_WITH_VALUE = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (),
    "--config-dir": (),
}
"""Option → its values; empty: any."""

_REFUSED = {
    "--experimental-rerun": "a pickled configuration may run any code; give the command itself again, which resumes",
    "--config-name": "there is one configuration, configs/config.yaml; folders of your own: --config-dir FOLDER",
    "--config-path": "there is one configuration, configs/config.yaml; folders of your own: --config-dir FOLDER",
}


def arranged(args: list[str]) -> list[str]:
    """The words of a command line, options before settings, as Hydra wants them; options in their long form.

    Raises:
        BadInput: an option does not exist, is refused or lacks its value, or a word or the folder is not text.
    """
    for text in (*args, os.getcwd()):
        if text.encode(errors="ignore").decode() != text:
            raise BadInput(f"{text!r} holds bytes that are not UTF-8; rename the file or folder")
    options: list[str] = []
    settings: list[str] = []
    words = deque(args)
    while words:
        word = words.popleft()
        if word.startswith("-"):
            options += _option(word, words)
        else:
            settings.append(word)
    return options + settings


def settings_of(args: list[str]) -> list[str]:
    """The settings among the words that `arranged` returned."""
    options = True
    settings: list[str] = []
    for before, word in zip(["", *args], args, strict=False):
        options = options and (word.startswith("-") or before in _WITH_VALUE)
        if not options:
            settings.append(word)
    return settings


def _option(word: str, following: deque[str]) -> list[str]:
    """An option in its long form, with its value, which is taken from the words that follow."""
    name, equals, value = word.partition("=")
    name = _SHORT.get(name, name)
    if name in _REFUSED:
        raise BadInput(f"{word} is not accepted: {_REFUSED[name]}")
    if name in _ALONE and not equals:
        return [name]
    if name not in _WITH_VALUE:
        raise unknown("option", word, [*_ALONE, *_WITH_VALUE])
    accepted = _WITH_VALUE[name]
    if name == "--info" and not equals and (not following or following[0] not in accepted):
        return [name, "all"]
    if not equals:
        value = following.popleft() if following else ""
    if not value or (accepted and value not in accepted):
        raise BadInput(f"{name} {value}".rstrip() + f": accepted: {', '.join(accepted) or 'a name after it'}")
    return [name, value]


_KEYS_OF_HYDRA = ("hydra.run.dir", "hydra.sweep.dir", "hydra.verbose", "hydra/job_logging", "hydra/hydra_logging")
_GROUPS_OF_HYDRA = (LAUNCHER, SWEEPER, "hydra.launcher.", "hydra.sweeper.")
"""What a command may set of Hydra's own; other keys could run any code."""


def refuse_code(of_hydra: list[Override]) -> None:
    """Raises `BadInput` for a setting of Hydra's own that is not known to be harmless."""
    for override in of_hydra:
        key = override.key_or_group
        if key == "hydra.mode":
            raise BadInput(f"{override.input_line} is not accepted; to sweep: python run.py -m …")
        if "_target_" in f"{key} {override.value()}":
            raise BadInput(
                f"{override.input_line} is not accepted: _target_ names code, which only a file of "
                "configuration may; choose with hydra/launcher=… or hydra/sweeper=…"
            )
        if key not in _KEYS_OF_HYDRA and not key.startswith(_GROUPS_OF_HYDRA):
            raise unknown("key of Hydra", key, [*_KEYS_OF_HYDRA, f"{LAUNCHER}=…", f"{SWEEPER}=…"])

"""Writes the skeleton of a task of your own, which trains at once: a package, its configuration and a small data set.

python scripts/new_task.py waves                # in the folder my_tasks
python scripts/new_task.py waves --out FOLDER
"""

import argparse
import importlib.util
import io
import re
import shlex
import sys
from pathlib import Path

import numpy as np

from experiments.configuration.composition import options_of
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.training.job import report_error

SKELETON = Path(__file__).parent / "skeleton"

TARGETS = {
    "__init__.py": "{name}/__init__.py",
    "spec.py": "{name}/spec.py",
    "task.py": "{name}/task.py",
    "task.yaml": "configs/task/{name}.yaml",
    "data.yaml": "configs/data/{name}/full.yaml",
    "model.yaml": "configs/model/{name}/mlp.yaml",
    "recipe.yaml": "configs/recipe/{name}/standard.yaml",
}
"""A file of the skeleton → where it goes."""

DATA = "{name}/examples.npz"


def examples() -> dict[str, np.ndarray]:
    """Noisy waves of 32 samples, to be told apart by their shape: sine, square and sawtooth; the same at every call."""
    draw = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 3
        phase = draw.uniform(0, 1, (count, 1)) + 2 * np.arange(32) / 32
        shapes = [np.sin(2 * np.pi * phase), np.sign(np.sin(2 * np.pi * phase)), 2 * (phase % 1) - 1]
        waves = np.choose(labels[:, None], shapes) + draw.normal(0, 0.3, (count, 32))
        return waves.astype(np.float32), labels

    (train, of_train), (test, of_test) = part(600), part(300)
    return {"train_inputs": train, "train_labels": of_train, "test_inputs": test, "test_labels": of_test}


def check_name(name: str) -> None:
    """Raises `BadInput` for a name that is taken or that cannot be that of a package."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BadInput(f"{name!r} cannot be the name of a task; accepted: small letters, digits and _, like my_task")
    if name in options_of("task"):
        raise BadInput(f"there is a task {name} already; choose another name")
    if importlib.util.find_spec(name) is not None:
        raise BadInput(f"Python has a package {name} already; choose another name, like my_{name}")


def contents(name: str, out: Path) -> dict[Path, bytes]:
    """The files of the task and what they hold."""
    data, archive = out / DATA.format(name=name), io.BytesIO()
    np.savez_compressed(archive, **examples())
    words = name.split("_")
    values = {
        "name": name,
        "title": " ".join(words).capitalize(),
        "class": "".join(word.capitalize() for word in words),
        "file": str(data.absolute()),
    }
    files = {data: archive.getvalue()}
    for source, target in TARGETS.items():
        text = (SKELETON / f"{source}.txt").read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", value)
        files[out / target.format(name=name)] = text.encode()
    return files


def main() -> int:
    """Checks the name and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME", help="the name of the task and of its package")
    parser.add_argument("--out", type=Path, default=Path("my_tasks"), help="its folder; default: my_tasks")
    given = parser.parse_args()
    try:
        check_name(given.name)
        files = contents(given.name, given.out)
        there = [file for file in files if file.exists()]
        if there:
            raise BadInput(f"{there[0]} exists, and nothing is overwritten; choose another name or another --out")
        written = write_files(files)
    except BadInput as error:
        return report_error(error)
    print("\n".join(map(str, written)))
    out = shlex.quote(str(given.out))
    print(f"\nit trains with:\n  export PYTHONPATH={out} CARELU_CONFIG_DIR={out}/configs")
    print(f"  python run.py -m task={given.name} act=relu,carelu seed=0,1,2")
    return 0


if __name__ == "__main__":
    sys.exit(main())

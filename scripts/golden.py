"""Compares what tiny models compute with stored values: initial weights, outputs, gradients, an update.

Another version of a dependency that changes results is noticed here, as by tests/golden/. Exits with 1 if one differs.

    python scripts/golden.py                            in this environment
    python scripts/golden.py --torch lowest newest      in throw-away environments with these versions of torch
    python scripts/golden.py --torch 2.9.1              or any other; an environment takes some 6 GB while it is used
    python scripts/golden.py --store                    store the values of this environment, after a change on purpose
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

import torch

from experiments.errors import BadInput
from experiments.files import write_files
from experiments.training.job import report_error
from tests.golden.measured import CASES, FILE, Values, differences, measure, name_of

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", nargs="+", metavar="VERSION", help="lowest, newest, or a version; one or several")
    parser.add_argument("--store", action="store_true", help="write the values instead of comparing them")
    arguments = parser.parse_args()
    try:
        if arguments.torch:
            return max([compare_in_environment(requirement(version)) for version in arguments.torch])
        return store() if arguments.store else compare()
    except BadInput as error:
        return report_error(error)


def measured_here() -> dict[str, Values]:
    """The values of every case in this environment, on one thread as when they were stored."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        return {name_of(case): measure(case, Path(cache)) for case in CASES}


def store() -> int:
    """Writes the file of values, with as many digits as a float32 has; returns the exit code."""
    values = {
        case: {what: [float(f"{number:.9g}") for number in numbers] for what, numbers in of_case.items()}
        for case, of_case in measured_here().items()
    }
    cases = [f"{json.dumps(case)}: {json.dumps(of_case)}" for case, of_case in values.items()]  # a line each
    (file,) = write_files({FILE: ("{\n" + ",\n".join(cases) + "\n}\n").encode()})
    print(file.relative_to(ROOT))
    return 0


def compare() -> int:
    """Prints what differs in this environment; returns the exit code."""
    stored: dict[str, Values] = json.loads(FILE.read_text(encoding="utf-8"))
    found = {
        case: differences(stored.get(case, {}), values, case.split()[1]) for case, values in measured_here().items()
    }
    for case, lines in found.items():
        for line in lines:
            print(f"{case}: {line}")
    differing = sum(map(bool, found.values()))
    print(f"torch {torch.__version__}: {len(found) - differing} of {len(found)} cases are as stored")
    return 1 if differing else 0


def requirement(version: str) -> str:
    """What pip installs for a version of torch.

    Raises:
        BadInput: it is not a version.
    """
    if version == "newest":
        return "torch"
    if version == "lowest":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        (lowest,) = re.findall(r"^torch>=([\d.]+)$", "\n".join(project["dependencies"]), re.MULTILINE)
        return f"torch=={lowest}.*"
    if not re.fullmatch(r"\d+(\.\d+){1,2}", version):
        raise BadInput(f"--torch={version} is not accepted; accepted: lowest, newest, or a version like 2.9.1")
    return f"torch=={version}"


def compare_in_environment(wanted: str) -> int:
    """Makes an environment with the suite and this torch, compares in it and removes it; returns the exit code.

    Raises:
        BadInput: pip cannot make it.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        install = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", wanted, f"{ROOT}[suite]"]
        if subprocess.run(install).returncode != 0:
            raise BadInput(f"pip cannot install {wanted} with the suite; what it said stands above")
        return subprocess.run([python, __file__], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Replaces the activations of more than 50 models that nobody here wrote, checks each, and writes a table of them.

python scripts/check_models.py                              # all, to results/models/models.md; half an hour
python scripts/check_models.py --models timm/ torch/        # those whose name begins so; the other rows stay
python scripts/check_models.py --models transformers/Llama --no-export --out outputs

The table is written after each model, so a stopped run keeps its rows. Needs the extras suite and dev.
The exit code is 1 if a check of a model fails.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from experiments.benchmarking import options
from experiments.errors import BadInput


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[""], metavar="BEGINNING", help="of names; default: all")
    parser.add_argument("--no-export", action="store_true", help="leave torch.export out, which takes most of the time")
    parser.add_argument("--out", type=Path, default=Path("results/models"), help="folder; default: %(default)s")
    return parser.parse_args()


def main() -> int:
    """Checks and writes; returns the exit code."""
    arguments = _arguments()
    failed: list[str] = []
    code = options.exit_code_of(lambda: failed.extend(_check(arguments)))
    return code or int(bool(failed))


def _check(arguments: argparse.Namespace) -> list[str]:
    """Returns the names of the models that fail."""
    # torch is imported here, so that --help answers at once.
    from experiments.benchmarking import surgery, zoo
    from experiments.benchmarking.results import from_csv, to_csv
    from experiments.files import write_files

    known = {entry.name: entry for entry in zoo.entries()}
    chosen = [name for name in known if name.startswith(tuple(arguments.models))]
    if not chosen:
        names = ", ".join(known)
        raise BadInput(f"--models {' '.join(arguments.models)}: no model is called so; known: {names}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm", "transformers"))
    page, data = arguments.out / "models.md", arguments.out / "models.csv"
    rows = {row.model: row for row in from_csv(data, surgery.Row)} if data.exists() else {}
    for name in chosen:
        row = rows[name] = surgery.check(known[name], export=not arguments.no_export)
        print(f"{'ok   ' if row.ok else 'WRONG'} {row}", file=sys.stderr, flush=True)
        ordered = [rows[each] for each in known if each in rows]
        write_files({data: to_csv(ordered).encode(), page: surgery.table(ordered, versions).encode()})
    print(page)
    return [name for name in chosen if not rows[name].ok]


if __name__ == "__main__":
    sys.exit(main())

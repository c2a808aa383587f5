"""Every command of the pages is performed, shortened; `NOT_PERFORMED` has those that cannot be, each with a reason.

The three pages of `OF_THEIR_OWN` have tests of their own, which perform theirs. What is not performed is checked:
settings as before a run begins, targets of make by `make -n`, extras and files that an installation names.
"""

import csv
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest
from PIL import Image

from experiments.tasks.superres.bsds300 import SAMPLE_DIR
from tests.conftest import ROOT
from tests.docs.pages import PAGES, blocks, commands
from tests.docs.performing import exists, in_folder, shortened
from tests.forked import perform

OF_THEIR_OWN = {"runs.md", "adding-a-task.md", "adding-an-activation.md"}

_INSTALLS = "the environment that a test runs in is made in this way before"
_SLURM = "a cluster: tests/experiments/sweep/test_slurm.py submits to a Slurm where there is one"
NOT_PERFORMED = {
    "python3 -m venv .venv": _INSTALLS,
    ". .venv/bin/activate": _INSTALLS,
    'pip install -c constraints.txt -e ".[suite,dev]"': _INSTALLS,
    "pytest -n auto": "it would start itself",
    "make setup": _INSTALLS,
    "make test": "it would start itself",
    "make test-all": "it would start itself",
    "make lint": "a step of its own before a commit; it says nothing about the page",
    "make docs": "tests/docs/test_site.py builds the site",
    "torchrun --nproc_per_node=4 run.py task=cifar100 act=carelu": "four GPUs",
    "torchrun --nproc_per_node=2 run.py task=cifar100 act=carelu data=sample trainer.device=cpu": (
        "processes with a rank of their own: tests/experiments/training/test_distributed.py trains in two"
    ),
    "python run.py -m +experiment=paper_all hydra/launcher=submitit_slurm hydra.launcher.partition=gpu": _SLURM,
    "python run.py -m +experiment=paper_all hydra/launcher=submitit_slurm hydra.launcher.timeout_min=120 "
    "hydra.launcher.cpus_per_task=4": _SLURM,
    **dict.fromkeys(
        (
            "python scripts/reproduce.py text-medium-relu-s0-eb84f99cf2",
            "python scripts/reproduce.py text-medium-relu-s0-eb84f99cf2 data_root=FOLDER --record",
            "python scripts/reproduce.py text-medium-relu-s0-eb84f99cf2 --at-its-commit",
        ),
        "it trains for minutes on the whole data: tests/scripts/test_reproduce.py repeats a tiny run",
    ),
    "python scripts/remake_tables.py": (
        "it writes the committed tables: tests/scripts/test_make_tables.py makes each again and compares"
    ),
}
PERFORMED_HERE = [
    page
    for page in PAGES
    if page.name not in OF_THEIR_OWN
    and any(command not in NOT_PERFORMED for block in blocks(page, "bash") for command in commands(block))
]


MADE = {
    "README.md": ["others/superres/small", "others/text/small", "results/comparison/tables/cifar100.md"],
    "getting-started.md": ["outputs/ledger.csv"],
    "kernels.md": ["results/benchmarks/layouts"],
    "results-and-statistics.md": [
        "results/mine/report.html",
        "results/mine/figures/captions.md",
        "results/competition/configs",
    ],
    "running.md": ["outputs/learning_rates", "others/text/small"],
    "sweeps.md": ["outputs/sweeps", "tables/cifar100.md", "figures/captions.md", "report.html"],
    "wandb.md": ["outputs/wandb"],
}
"""Some of what the commands of a page leave."""


STANDS_FOR = {"=FILE": "=FILE.csv", "STUDY": "outputs", "trainer.max_steps=null": "trainer.max_steps=1"}
"""What stands here for what a reader has; every run that is shortened has one step."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the pages suppose to be there: evidence to make tables of, images and texts of one's own."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("competition", "tuning"):
        shutil.copytree(ROOT / "results" / name, folder / "results" / name, ignore=shutil.ignore_patterns("figures"))
    photograph = Image.open(next((SAMPLE_DIR / "test").iterdir())).crop((0, 0, 60, 50))
    (folder / "FOLDER").mkdir()
    photograph.save(folder / "FOLDER/one.png")
    texts = [("a good film", "good"), ("a bad film", "bad")] * 4
    with (folder / "FILE.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("sentence", "label"), *texts])
    sweep = "python run.py -m task=cifar100 act=relu,carelu,gelu,swish seed=0 recipe=small"
    with in_folder(folder):
        for command in (sweep, "python scripts/publish_results.py recipe=small"):
            assert perform(shortened(command)) == 0
    return folder


@pytest.fixture
def in_workplace(workplace, no_login):
    with in_folder(workplace):
        yield workplace


def with_files(words, folder):
    """The words of a command with files of the workplace in place of what a reader fills in."""
    text = "\n".join(words)
    for there, here in STANDS_FOR.items():
        text = text.replace(there, here)
    if "{run_id}" in text:
        with (folder / "results/comparison/ledger.csv").open(encoding="utf-8", newline="") as stream:
            text = text.replace("{run_id}", next(csv.DictReader(stream))["run_id"])
    return text.split("\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", PERFORMED_HERE, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page, in_workplace, capsys):
    for block in blocks(page, "bash"):
        for command in commands(block):
            if command in NOT_PERFORMED:
                continue
            words = with_files(shortened(command), in_workplace)
            assert exists(words), f"{block}: {command} is no command of this project; is it to be in NOT_PERFORMED?"
            code = perform(words)
            assert code == 0, f"{block}: {command} ended with {code}\n{capsys.readouterr().err}"
    assert [made for made in MADE[page.name] if not (in_workplace / made).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "mistake",
    [
        "python run.py task=cifar100 act=carelu trainer.epoch=3",
        "python run.py task=cifar100 act=carelu +find=rate",
        "python run.py -m +experiment=paper_all hydra/launcher=pool hydra.launcher.worker=4",
        "python scripts/make_tables.py --ledger results/tuning/ledger.csv --subjects gelu",
        "python scripts/runs.py lists",
    ],
)
def test_a_key_or_an_option_that_does_not_exist_is_noticed(mistake, in_workplace, capsys):
    assert perform(shortened(mistake)) == 2
    assert "error: " in capsys.readouterr().err


def test_a_script_that_does_not_exist_is_noticed():
    assert not exists(shortened("python scripts/make_table.py"))


def test_what_is_not_performed_is_on_a_page():
    on_pages = {command for page in PAGES for block in blocks(page, "bash") for command in commands(block)}
    assert NOT_PERFORMED.keys() <= on_pages


def test_what_an_installation_names_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (install,) = (command for command in NOT_PERFORMED if command.startswith("pip install"))
    assert (ROOT / shlex.split(install)[3]).is_file()
    assert set(re.search(r"\[(.+)\]", install)[1].split(",")) <= extras.keys()


@pytest.mark.parametrize("command", [command for command in NOT_PERFORMED if command.startswith("make ")])
def test_make_knows_its_targets(command):
    done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_runs_that_are_made_again_on_the_pages_and_in_the_help_are_in_the_ledger():
    help_text = (ROOT / "scripts/reproduce.py").read_text(encoding="utf-8").partition('"""\n\n')[0]
    on_pages = [command for page in PAGES for block in blocks(page, "bash") for command in commands(block)]
    named = {word for text in (*on_pages, help_text) for word in re.findall(r"reproduce\.py (\w\S*-s\d\S*)", text)}
    with (ROOT / "results/comparison/ledger.csv").open(encoding="utf-8", newline="") as stream:
        published = {row["run_id"] for row in csv.DictReader(stream)}
    assert named and named <= published

"""Seeds are added until each comparison is decided, whatever happens to its runs and to the sweep itself."""

import random
import re
import shlex
import signal
import time

import pytest

from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.configuration.sweeper import Comparison, VerdictOptions
from experiments.errors import BadInput
from experiments.sweep.adaptive import AdaptiveSweep, seeds_before_a_verdict
from experiments.sweep.record import SweepFolder
from experiments.tasks.contract import build_task
from experiments.training.job import Ending
from tests import forked
from tests.conftest import ROOT
from tests.docs.pages import blocks, commands
from tests.experiments.ledgers import row, write

NOISE = (0.1, -0.1, 0.05, -0.05, 0.15, -0.15, 0.0, 0.02)
"""Of the differences to the baseline, by seed."""

OPTIONS = {"baseline": None, "min_seeds": None, "max_seeds": 20, "max_hours": None, "margin": None, "first_seed": 0}


class Machine:
    """Stands for the launcher: each job writes its row; `values` gives an activation's difference to ReLU by seed."""

    def __init__(self, tmp_path, differences, launcher="basic", acts=None, settings=([],), before=(), **options):
        self.ledger, self.rows, self.differences = tmp_path / "ledger.csv", list(before), differences
        self.batches, self.lines, self.now = [], [], 0.0
        activations = [[f"act={act}"] for act in acts or ("relu", *differences)]
        comparisons = [Comparison(setting, activations) for setting in settings]
        self.folder = SweepFolder.create(tmp_path / "sweep", [], launcher, comparisons)
        self.options = VerdictOptions(**{**OPTIONS, **options})

    def perform(self):
        sweep = AdaptiveSweep(
            self.options, self.folder, self.ledger, self.launch, self.lines.append, clock=lambda: self.now
        )
        return sweep.perform().sentences

    def launch(self, jobs, first):
        assert [job.overrides for job in self.folder.jobs()][-len(jobs) :] == jobs
        self.batches.append(jobs)
        for number, job in enumerate(jobs, first):
            words = dict(line.split("=") for line in job)
            self.folder.begin(number, job)
            ending = self.run(words.get("task", "cifar100"), words["act"], int(words["seed"]))
            self.folder.end(number, ending)
        write(self.ledger, self.rows)
        self.now += 100.0 * len(jobs)

    def run(self, task, act, seed):
        difference = self.differences.get(act, lambda seed: 0.0)(seed)
        if isinstance(difference, str):
            status = difference.split()[0]
            made = row(act, seed, task=task, status=status)
            ending = Ending(status, 3, "at step 5", made["run_id"])
        else:
            made = row(act, seed, {"cifar100": 40.0, "text": 60.0}[task] + difference, task)
            ending = Ending("done", 0, "", made["run_id"], made["headline_metric"], made["headline_value"])
        self.rows = [each for each in self.rows if each["run_id"] != made["run_id"]] + [made]
        return ending

    def seeds_of(self, act, setting=()):
        jobs = [job for batch in self.batches for job in batch if f"act={act}" in job and {*setting} <= {*job}]
        return [int(job[-1].removeprefix("seed=")) for job in jobs]


def near(center, scale=1.0):
    return lambda seed: center + scale * NOISE[seed % len(NOISE)]


def test_it_ends_with_the_fewest_seeds_where_they_decide(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(3.0)})
    assert machine.perform() == ["decided: 1 of 1 comparison, with 4 seeds at most"]
    assert machine.seeds_of("relu") == machine.seeds_of("carelu") == [0, 1, 2, 3]
    assert machine.lines[-1].endswith("n = 4): better.")


def test_seeds_are_added_until_it_is_decided(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(0.0, 4.0)})
    machine.perform()
    seeds = machine.seeds_of("carelu")
    assert seeds == list(range(len(seeds))) and 4 < len(seeds) < 20
    undecided = [line for line in machine.lines if "undecided" in line]
    assert len(undecided) == len(seeds) - 1
    assert machine.lines[-1].endswith("equivalent, within ±0.5 points.")
    # Each seed of both activations takes 2 × 400 s, as their rows say, and the runs are one after the other.
    assert (
        "n = 3): undecided; an answer needs at least 4 pairs of runs. Expected: 1 more, about 13 min." in undecided[2]
    )


def test_a_decided_activation_gets_no_more_seeds(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(3.0), "gelu": near(0.0, 4.0)})
    assert machine.perform()[-1].startswith("decided: 2 of 2 comparisons")
    assert machine.seeds_of("carelu") == [0, 1, 2, 3]
    assert machine.seeds_of("gelu") == machine.seeds_of("relu") == list(range(len(machine.seeds_of("gelu"))))
    assert len(machine.seeds_of("gelu")) > 4


def test_the_level_is_divided_over_the_activations(tmp_path):
    acts = ("carelu", "gelu", "swish")
    machine = Machine(tmp_path, {act: near(3.0) for act in acts})
    assert machine.perform() == ["decided: 3 of 3 comparisons, with 5 seeds at most"]


def test_comparisons_of_several_tasks_go_on_by_themselves(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(0.0, 4.0)}, settings=(["task=cifar100"], ["task=text"]))
    machine.differences = {"carelu": lambda seed: near(0.0, 4.0)(seed)}
    run = machine.run
    machine.run = lambda task, act, seed: (
        machine.differences.update(carelu=near(3.0) if task == "text" else near(0.0, 4.0)) or run(task, act, seed)
    )
    assert machine.perform()[-1].startswith("decided: 2 of 2 comparisons")
    assert machine.seeds_of("relu", ["task=text"]) == [0, 1, 2, 3]
    assert len(machine.seeds_of("relu", ["task=cifar100"])) > 4
    assert any(line.startswith("task=text: CAReLU vs ReLU on ") for line in machine.lines)


def test_a_pool_gets_the_first_seeds_at_once_and_takes_the_same_runs(tmp_path):
    (tmp_path / "pool").mkdir()
    one, many = (
        Machine(tmp_path, {"carelu": near(0.0, 4.0)}),
        Machine(tmp_path / "pool", {"carelu": near(0.0, 4.0)}, launcher="pool"),
    )
    assert one.perform() == many.perform()
    assert [len(batch) for batch in many.batches][:2] == [8, 2]
    assert [job for batch in one.batches for job in batch] == [job for batch in many.batches for job in batch]


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_run_that_fails_stops_its_comparison_without_a_verdict_and_no_other(tmp_path, status):
    bad = {"carelu": lambda seed: status if seed == 2 else near(3.0)(seed), "gelu": near(3.0)}
    machine = Machine(tmp_path, bad)
    assert machine.perform() == [
        f"act=carelu has no verdict: act=carelu seed=2 {status}: at step 5",
        "decided: 1 of 2 comparisons, with 4 seeds at most",
    ]
    assert machine.seeds_of("carelu") == [0, 1, 2]


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_baseline_that_fails_stops_every_activation(tmp_path, status):
    bad = {"relu": lambda seed: status if seed == 1 else 0.0, "carelu": near(3.0), "gelu": near(3.0)}
    machine = Machine(tmp_path, bad, acts=("relu", "carelu", "gelu"))
    sentences = machine.perform()
    assert sentences[:2] == [
        f"act={act} has no verdict: act=relu seed=1 {status}: at step 5" for act in ("carelu", "gelu")
    ]
    assert sentences[-1].startswith("decided: 0 of 2 comparisons")
    assert machine.seeds_of("relu") == [0, 1]


def test_a_baseline_that_diverges_later_takes_back_what_was_decided(tmp_path):
    late = {"relu": lambda seed: "diverged" if seed == 5 else 0.0, "carelu": near(3.0), "gelu": near(0.0, 40.0)}
    machine = Machine(tmp_path, late, acts=("relu", "carelu", "gelu"))
    sentences = machine.perform()
    assert machine.seeds_of("carelu") == [0, 1, 2, 3] and machine.seeds_of("relu") == list(range(6))
    assert sorted(each.split(" has no verdict: ")[0] for each in sentences[:2]) == ["act=carelu", "act=gelu"]
    assert sentences[-1].startswith("decided: 0 of 2 comparisons")
    assert sum("stops without a verdict" in line for line in machine.lines) == 2


def test_a_run_that_diverged_before_the_sweep_leaves_no_verdict(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(3.0)}, before=[row("carelu", 9, status="diverged")])
    (reason, _) = machine.perform()
    assert "act=carelu has no verdict: 1 run in" in reason and "diverged" in reason


def test_runs_of_before_count(tmp_path):
    before = [
        row(act, seed, 40.0 + (act == "carelu") * near(0.0, 4.0)(seed))
        for act in ("relu", "carelu")
        for seed in range(20, 28)
    ]
    alone, after = (
        Machine(tmp_path, {"carelu": near(0.0, 4.0)}),
        Machine(tmp_path / "after", {"carelu": near(0.0, 4.0)}, before=before),
    )
    alone.perform()
    after.perform()
    assert len(after.seeds_of("carelu")) < len(alone.seeds_of("carelu"))


def test_the_budget_of_seeds_ends_it_and_the_way_to_go_on_is_named(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(0.0, 40.0)}, max_seeds=6, first_seed=10)
    (end,) = machine.perform()
    assert "0 of 1 comparison decided with 6 seeds; budget spent: max_seeds=6" in end
    assert end.endswith("repeat the command with hydra.sweeper.max_seeds=12")
    assert machine.seeds_of("carelu") == [10, 11, 12, 13, 14, 15]
    assert any("more than the 2 that max_seeds=6 leaves" in line for line in machine.lines)


def test_the_budget_of_hours_is_that_of_this_invocation(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(0.0, 40.0)}, max_hours=0.12)  # 432 s; a batch takes 200 s
    machine.now = 1e9
    (end,) = machine.perform()
    assert "3 seeds; budget spent: max_hours=0.12 of this invocation; to go on, repeat the command" in end


def test_min_seeds_are_run_even_if_fewer_decide(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(3.0)}, min_seeds=6)
    assert machine.perform() == ["decided: 1 of 1 comparison, with 6 seeds at most"]


def test_its_margin_takes_the_place_of_the_tasks(tmp_path):
    machine = Machine(tmp_path, {"carelu": near(0.0, 10.0)}, margin=30.0)
    assert machine.perform() == ["decided: 1 of 1 comparison, with 4 seeds at most"]
    assert machine.lines[-1].endswith("equivalent, within ±30 points.")


@pytest.mark.slow
def test_asked_for_again_it_takes_the_same_way(tmp_path):
    whole = Machine(tmp_path / "whole", {"carelu": near(0.0, 4.0), "gelu": near(3.0)})
    expected = whole.perform()
    for killed_after in range(1, len(whole.batches)):
        again = Machine(tmp_path / str(killed_after), whole.differences)
        launch = again.launch

        def killed(jobs, first, again=again, launch=launch, after=killed_after):
            if len(again.batches) == after:
                raise KeyboardInterrupt
            launch(jobs, first)

        again.launch = killed
        with pytest.raises(KeyboardInterrupt):
            again.perform()
        resumed = Machine(tmp_path / str(killed_after), whole.differences, before=again.rows)
        assert resumed.perform() == expected
        assert resumed.lines[-1] == whole.lines[-1]


def test_a_budget_that_cannot_give_a_verdict_is_refused():
    comparison = Comparison([], [["act=relu"], ["act=carelu"]])
    with pytest.raises(BadInput, match=r"max_seeds=3 cannot give a verdict on 1 activation; accepted: 4 or more"):
        seeds_before_a_verdict([comparison], VerdictOptions(**{**OPTIONS, "max_seeds": 3}))


(EXAMPLE,) = (
    command
    for block in blocks(ROOT / "docs" / "sweeps.md", "bash")
    for command in commands(block)
    if "hydra.sweeper.margin" in command
)
"""The worked example of docs/sweeps.md."""

TINY = [*shlex.split(EXAMPLE)[4:], "trainer.channels_last=false"]


def started(output_root):
    return forked.Command(arguments(output_root))


def arguments(output_root):
    return ["run.py", "-m", "hydra/sweeper=verdict", *TINY, f"output_root={output_root}"]


def ending(done, output_root):
    """The comparison at the end of a sweep, without the folder of its runs."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout[done.stdout.index("\nCIFAR-100: ") :].replace(str(output_root), "FOLDER")


def until_runs(count, output_root, process):
    """Waits until so many runs have begun, or the process has ended."""
    while len(list(output_root.rglob("metrics.jsonl"))) < count and process.poll() is None:
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_and_asked_for_again_it_ends_as_an_undisturbed_one(tmp_path, tiny_cifar100):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = ending(forked.run(arguments(whole)), whole)
    assert "CAReLU vs ReLU on CIFAR-100 (sample)" in expected
    assert "decided: 1 of 1 comparison, with 4 seeds at most" in expected
    chance = random.Random()
    state = chance.getstate()[1][:2]
    process = started(killed)
    until_runs(chance.randrange(2, 6), killed, process)  # so the first has ended
    time.sleep(chance.uniform(0, 1))
    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    code = process.wait(timeout=120)
    assert code in (-signal.SIGKILL, 75), f"chance was {state}: {process.stdout}{process.stderr}"
    last = forked.run(arguments(killed))
    assert ending(last, killed) == expected, f"chance was {state}"
    assert "skipped" in last.stdout
    assert {file.parent.name for file in killed.rglob("result.json")} == planned_runs(killed)


def planned_runs(output_root):
    """The folders of the runs of the plain sweep act=relu,carelu seed=0,1,2,3."""
    settings = [word for word in TINY if not word.startswith(("act=", "hydra."))]
    device = ["trainer.device=cpu", "trainer.precision=float32", f"output_root={output_root}"]
    words = [[*settings, *device, f"act={act}", f"seed={seed}"] for act in ("relu", "carelu") for seed in range(4)]
    return {planned_run(*compose(each)) for each in words}


def planned_run(cfg, choices):
    config = validate(cfg)
    return identify(config, choices, build_task(config).data_fingerprint(config)).directory.name


@pytest.mark.slow
def test_in_a_pool_it_ends_by_itself_as_well(tmp_path, tiny_cifar100, forked_jobs):
    done = forked.run([*arguments(tmp_path), "hydra/launcher=pool", "hydra.launcher.workers=2"])
    assert "decided: 1 of 1 comparison, with 4 seeds at most" in ending(done, tmp_path)
    assert len(re.findall(r"^pool: 2 at once on ", done.stdout, re.M)) == 1


@pytest.mark.slow
def test_a_run_that_diverges_ends_the_sweep_with_its_code_and_no_verdict(tmp_path, tiny_cifar100):
    done = forked.run([*arguments(tmp_path), "optim.optimizer.lr=1e9"])
    assert done.returncode == 3, done.stdout
    assert "act=carelu has no verdict: act=relu seed=0 diverged: " in done.stdout
    assert "decided: 0 of 1 comparison" in done.stdout

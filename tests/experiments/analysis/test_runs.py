"""A row of a ledger as a typed run, and the setting it was made in."""

import pytest

from carelu import activation_names
from experiments.analysis.evidence import read_evidence
from experiments.analysis.runs import Setting, activations_of
from tests.experiments.ledgers import grid, row, write


def test_a_row_becomes_a_typed_run(tmp_path):
    rows = [row(value=41.5, seed=2, top5=70.0, **{"set5/loss": 1.5})]
    run = read_evidence(write(tmp_path / "ledger.csv", rows)).runs[0]
    assert (run.act, run.seed, run.metric, run.value, run.git_dirty) == ("relu", 2, "top1", 41.5, False)
    assert run.metrics == {"top1": 41.5, "top5": 70.0, "set5/loss": 1.5}
    assert run.of_metric("top5") == 70.0
    assert run.of_metric("loss") is None


def test_a_setting_is_all_that_must_be_equal_but_the_activation_and_the_seed(tmp_path):
    rows = [
        row("carelu(gain=2)", 0, recipe="small(trainer.epochs=2)"),
        row("relu", 1, recipe="small(trainer.epochs=2)", git_commit="f" * 40),
        row("relu", 1, recipe="small(trainer.epochs=3)"),
        row("relu", 1, recipe="small(trainer.epochs=2)", threads=1),
        row("relu", 1, recipe="small(trainer.epochs=2)", threads=None, device="NVIDIA H100"),
        row("relu", 1, recipe="small(trainer.epochs=2)", precision="bfloat16"),
    ]
    runs = read_evidence(write(tmp_path / "ledger.csv", rows)).runs
    first = Setting("cifar100", "small", "resnet18-w16", "cifar100", "AMD EPYC", "float32", 2, '{"trainer.epochs": 2}')
    assert [run.setting == first for run in runs] == [True, True, False, False, False, False]
    assert runs[0].setting.changes == {"trainer.epochs": 2}


def test_settings_with_and_without_threads_are_sorted(tmp_path):
    rows = [row(threads=threads) for threads in (2, None, 1)]
    settings = read_evidence(write(tmp_path / "ledger.csv", rows)).settings()
    assert [setting.threads for setting in settings] == [None, 1, 2]


def test_labels_name_what_departs_from_each_part(tmp_path):
    changes = {
        "act.options.over": "channel",
        "act.options.gain": 2,
        "data.held_out": 5000,
        "model.layers": 3,
        "optim": "adam",
        "optim.optimizer.lr": 0.05,
    }
    (run,) = read_evidence(write(tmp_path / "ledger.csv", [row("carelu", overrides=changes)])).runs
    assert (run.act, run.act_name) == ("carelu(gain=2, over=channel)", "carelu")
    setting = run.setting
    assert (setting.recipe, setting.recipe_label) == ("small", "small(optim=adam, optim.optimizer.lr=0.05)")
    assert setting.model_label == "resnet18-w16(layers=3)"
    assert setting.data_label == "cifar100(held_out=5000)"
    assert setting.device_label == run.full_device == "AMD EPYC (2 threads)"
    assert not any(key.startswith("act.") for key in setting.changes)


def test_a_name_with_brackets_is_a_name(tmp_path):
    odd = row("relu", seed=0) | {"recipe": "small(x=1)", "act": "mine(gain=2)"}
    (run,) = read_evidence(write(tmp_path / "ledger.csv", [odd])).runs
    assert run.act_name == run.act == "mine(gain=2)"
    assert run.setting.recipe == run.setting.recipe_label == "small(x=1)"
    assert run.setting.changes == {}


def test_the_baseline_comes_first_and_the_others_as_registered(tmp_path):
    evidence = read_evidence(write(tmp_path / "all.csv", grid(list(reversed(activation_names())), [0])))
    assert activations_of(evidence.runs, "none of them") == activation_names()
    acts = ["swish", "carelu(gain=2)", "relu", "carelu(over=channel)", "carelu_sign", "carelu"]
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(acts, (1, 0))))
    runs_of = evidence.of(evidence.settings()[0])
    assert list(runs_of) == ["relu", "carelu", "carelu(gain=2)", "carelu(over=channel)", "carelu_sign", "swish"]
    assert [run.seed for run in runs_of["relu"]] == [0, 1]
    assert activations_of(evidence.runs, "carelu(gain=2)")[0] == "carelu(gain=2)"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"value": 100.5}, "column 'headline_value' is '100.5', and the best possible is 100"),
        ({"top5": 101.0}, "column 'top5' is '101.0', and the best possible is 100"),
        ({"loss": -0.5}, "column 'loss' is '-0.5', and the best possible is 0"),
        ({"validation/loss": -0.5}, "column 'validation/loss' is '-0.5'"),
    ],
)
def test_what_is_better_than_the_best_possible_is_no_measurement(tmp_path, fields, named):
    evidence = read_evidence(write(tmp_path / "ledger.csv", [row(seed=0), row(seed=1, **fields)]))
    assert [run.seed for run in evidence.runs] == [0]
    assert named in evidence.problems[0]


def test_the_best_possible_itself_is_a_measurement(tmp_path):
    rows = [row(seed=0, value=100.0, loss=0.0), row("gelu", 0, 31.0, "superres", bicubic_psnr_y=400.0)]
    assert read_evidence(write(tmp_path / "ledger.csv", rows)).problems == ()


def test_activations_with_the_same_keys_are_ordered_by_their_values(tmp_path):
    rows = [row(f"carelu(gain={gain})", 0) for gain in (3, 2, 4)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert activations_of(evidence.runs) == ["carelu(gain=2)", "carelu(gain=3)", "carelu(gain=4)"]


def test_a_run_that_did_not_finish_has_no_value_of_any_metric(tmp_path):
    rows = [row(seed=0, top5=70.0), row(seed=1, status="diverged", top5=3.0)]
    file = write(tmp_path / "ledger.csv", rows)
    file.write_text(file.read_text().replace(",top1,,", ",top1,9.5,"))  # what is damaged counts for nothing
    finished, diverged = read_evidence(file).runs
    assert (finished.of_metric("top1"), finished.of_metric("top5")) == (40.0, 70.0)
    assert (
        diverged.value is diverged.of_metric(None) is diverged.of_metric("top1") is diverged.of_metric("top5") is None
    )


def test_a_metric_of_zero_is_a_value(tmp_path):
    run = read_evidence(write(tmp_path / "ledger.csv", [row(value=0.0, top5=0)])).runs[0]
    assert (run.value, run.metrics) == (0.0, {"top1": 0.0, "top5": 0.0})


def test_runs_on_data_of_another_content_have_another_setting(tmp_path):
    rows = [row("relu", 0, data_fingerprint="da7a"), row("carelu", 0, data_fingerprint="07e4"), row("gelu", 0)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert [setting.content_label for setting in evidence.settings()] == ["", "data 07e4", "data da7a"]

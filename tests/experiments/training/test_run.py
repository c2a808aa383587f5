"""The life of a run: recorded, done once, refused where it would be a mixture, and ended in order."""

import contextlib
import json
import resource
import signal

import numpy as np
import pytest
import torch

from carelu.functional import energy_share
from experiments.configuration.composition import compose
from experiments.errors import BadInput
from experiments.record import environment, ledger
from experiments.record.row import COLUMNS, LOCAL_ONLY
from experiments.record.run_directory import RunDirectory, read_metrics
from experiments.record.sums import altered
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.cifar100.batches import ImageBatches
from experiments.tasks.cifar100.task import CIFAR100
from experiments.tasks.contract import Task
from experiments.training.activation_statistics import ActivationStatistics, summary
from experiments.training.console import Display
from experiments.training.run import Run
from tests.faults import injections

SLOW = pytest.mark.slow

TIMES = ("seconds",)
"""The fields of a record of metrics.jsonl that differ between two runs of one command."""


def folder_of(outcome):
    return outcome.identity.directory


def weights_of(outcome):
    return torch.load(folder_of(outcome) / "checkpoint.pt", weights_only=True)["model"]


def metrics_of(outcome):
    records = read_metrics(folder_of(outcome) / "metrics.jsonl")
    return [{key: value for key, value in record.items() if key not in TIMES} for record in records]


def assert_equal_runs(outcome, expected):
    weights, expected_weights = weights_of(outcome), weights_of(expected)
    assert weights.keys() == expected_weights.keys()
    assert all(torch.equal(weights[name], value) for name, value in expected_weights.items())
    assert metrics_of(outcome) == metrics_of(expected)
    assert outcome.result.keys() == expected.result.keys()
    differing = {key for key, value in expected.result.items() if outcome.result[key] != value}
    assert differing <= set(injections.TIMES), differing


def stop_at_step(monkeypatch, number, raised):
    """Lets the `number`-th training batch be followed by a signal, as if a person or a scheduler sent it."""
    usual, drawn = CIFAR100.loss, []

    def loss(self, model, batch):
        drawn.append(1)
        if len(drawn) == number:
            signal.raise_signal(raised)
        return usual(self, model, batch)

    monkeypatch.setattr(CIFAR100, "loss", loss)


# What a run leaves


def test_a_finished_run_leaves_its_whole_record(run):
    outcome = run("act=carelu")
    assert {file.name for file in folder_of(outcome).iterdir()} - {"run.lock"} == {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "checkpoint.pt",
        "predictions.npz",
        "result.json",
        "sums.sha256",
    }
    names = [line.split()[1] for line in (folder_of(outcome) / "sums.sha256").read_text().splitlines()]
    assert names == ["config.yaml", "environment.json", "metrics.jsonl", "result.json"]
    assert altered(folder_of(outcome)) == []
    result = json.loads((folder_of(outcome) / "result.json").read_text())
    assert result == outcome.result
    assert set(COLUMNS) | {"top1", "top5", "loss"} <= set(result)
    assert (result["status"], result["epochs"], result["steps"]) == ("finished", 2, 6)
    assert result["parameters"] == sum(value.numel() for name, value in weights_of(outcome).items() if is_weight(name))
    assert result["step_milliseconds"] > 0
    assert result["peak_memory_mib"] > 0


def is_weight(name):
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_the_metrics_hold_the_start_and_every_epoch_with_what_the_activations_learned(run):
    records = metrics_of(run("act=carelu", "act.options.alpha=0"))
    assert [(record["epoch"], record["step"]) for record in records] == [(0, 0), (1, 3), (2, 6)]
    assert records[0]["activations"]["act1"]["alpha"] == 0
    assert records[0]["activations"]["act1"]["scale"] == pytest.approx(1)
    assert records[2]["activations"]["act1"]["alpha"] != 0
    assert 0 <= records[2]["activations"]["act1"]["share"] <= 1
    assert {"top1", "top5", "loss", "train/loss", "train/top1", "learning_rate"} <= records[2].keys()


def test_the_activations_are_measured_on_the_whole_first_evaluation_set_during_its_evaluation(run, monkeypatch):
    usual, batches = CIFAR100.evaluate, []

    def evaluate(self, model, given):
        images = []
        hook = model.act1.register_forward_pre_hook(lambda module, inputs: images.append(inputs[0].clone()))
        metrics = usual(self, model, given)
        hook.remove()
        batches.append(torch.cat(images))
        return metrics

    monkeypatch.setattr(CIFAR100, "evaluate", evaluate)
    outcome = run("act=carelu", "act.options.alpha=4", "trainer.evaluation_batch_size=14", "data.held_out=20")
    # the start, two epochs of two sets, and the count of operations
    assert [len(images) for images in batches] == [14, 40, 20, 40, 20, 14]
    last = metrics_of(outcome)[-1]["activations"]
    share = energy_share(batches[3]).double()
    assert last["act1"]["share"] == pytest.approx(float(share.mean()), rel=1e-6)
    assert last["act1"]["share_std"] == pytest.approx(float(share.std(correction=0)), rel=1e-4)
    assert {key: outcome.result[key] for key in ("scale_spread", "flipped", "response_distance")} == summary(last)
    assert outcome.result["scale_spread"] > 0


@pytest.mark.slow
def test_the_response_is_measured_of_every_activation_but_relu(run):
    gelu, relu = run("act=gelu"), run("act=relu")
    assert set(metrics_of(gelu)[-1]["activations"]["act1"]) == {"response_distance"}
    assert gelu.result["response_distance"] > 0
    assert "scale_spread" not in gelu.result
    assert not any("activations" in record for record in metrics_of(relu))
    assert "response_distance" not in relu.result


@pytest.mark.slow
def test_measuring_the_activations_changes_no_metric(run, monkeypatch):
    measured = run("act=carelu", "act.options.alpha=4")
    monkeypatch.setattr(ActivationStatistics, "measuring", lambda self: contextlib.nullcontext())
    alone = run("act=carelu", "act.options.alpha=4", "force=true")
    weights = weights_of(alone)
    assert all(torch.equal(weights[name], value) for name, value in weights_of(measured).items())
    assert {name: alone.result[name] for name in ("top1", "top5", "loss")} == {
        name: measured.result[name] for name in ("top1", "top5", "loss")
    }


def test_predictions_hold_the_class_of_each_example_in_the_order_of_the_data(run):
    outcome = run("act=carelu", "data.held_out=20", "trainer.evaluation_batch_size=14")
    with np.load(folder_of(outcome) / "predictions.npz") as predictions:
        kept = dict(predictions)
    assert {name: (values.dtype, values.shape) for name, values in kept.items()} == {
        f"{part}/{name}": (dtype, (count,))
        for part, count in (("test", 40), ("validation", 20))
        for name, dtype in (("predicted", np.int16), ("correct", np.bool_))
    }
    assert 100 * kept["test/correct"].mean() == pytest.approx(outcome.result["top1"])
    assert 100 * kept["validation/correct"].mean() == pytest.approx(outcome.result["validation/top1"])
    _, test = cifar100.load_sample()
    assert (kept["test/correct"] == (kept["test/predicted"] == test.labels.numpy())).all()


def test_a_run_whose_task_keeps_no_predictions_leaves_no_file(run, monkeypatch):
    monkeypatch.setattr(CIFAR100, "predictions", Task.predictions)
    assert not (folder_of(run()) / "predictions.npz").exists()


@pytest.mark.slow
def test_a_restart_sets_the_predictions_aside(run):
    old = (folder_of(run()) / "predictions.npz").read_bytes()
    assert (folder_of(run("force=true")) / "replaced" / "1" / "predictions.npz").read_bytes() == old


def test_the_headline_is_the_last_epoch(run):
    outcome = run("act=relu")
    assert outcome.result["headline_value"] == metrics_of(outcome)[-1]["top1"] == outcome.result["top1"]


def test_selection_takes_the_epoch_that_is_best_on_the_held_out_part(run, capsys):
    outcome = run("data.held_out=20", "trainer.selection=validation", "trainer.epochs=4", "optim.optimizer.lr=0.02")
    evaluated = [record for record in metrics_of(outcome) if "validation/top1" in record]
    best = max(evaluated, key=lambda record: record["validation/top1"])
    assert outcome.result["headline_epoch"] == best["epoch"]
    assert outcome.result["headline_value"] == best["top1"]
    epochs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 4 and all("  validation/top1 " in line and "  top1 " not in line for line in epochs)


def test_max_steps_ends_the_run_in_the_middle_of_an_epoch_with_an_evaluation(run):
    outcome = run("trainer.max_steps=4")
    assert (outcome.result["steps"], outcome.result["epochs"]) == (4, 1.333)
    assert [record["step"] for record in metrics_of(outcome)] == [0, 3, 4]
    assert "top1" in metrics_of(outcome)[-1]


@pytest.mark.slow
def test_evaluation_can_be_rarer_but_never_misses_the_last_epoch(run):
    records = metrics_of(run("trainer.epochs=3", "trainer.evaluate_every=2"))
    assert ["top1" in record for record in records] == [False, False, True, True]


def test_the_ledger_has_the_fields_of_the_result(run):
    outcome = run("act=prelu")
    ((row,), problems) = ledger.read(folder_of(outcome).parents[3] / "ledger.csv")
    assert problems == []
    assert row.as_result() == {key: value for key, value in outcome.result.items() if key not in LOCAL_ONLY}


def test_two_runs_of_one_command_in_two_places_are_equal(run, tmp_path):
    first = run("act=carelu", f"output_root={tmp_path / 'here'}")
    second = run("act=carelu", f"output_root={tmp_path / 'there'}")
    assert_equal_runs(second, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    "option",
    [pytest.param("trainer.compile=true", marks=pytest.mark.slow), "optim.gradient_clip_norm=0.5", "optim=adamw"],
)
def test_an_option_of_training_runs(run, option, monkeypatch):
    usual = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: usual(self, backend="aot_eager"))
    outcome = run(option, "act=carelu", "trainer.max_steps=2")
    assert outcome.result["status"] == "finished"
    assert {"share", "scale_std", "response_distance"} <= metrics_of(outcome)[-1]["activations"]["act1"].keys()


def test_bfloat16_autocast_runs_on_the_cpu(run):
    outcome = run("act=carelu", "trainer.precision=bfloat16", "trainer.max_steps=2")
    assert (outcome.result["precision"], outcome.result["status"]) == ("bfloat16", "finished")


# Asking again


def test_a_finished_run_answers_at_once(run, monkeypatch):
    first = run()
    monkeypatch.setattr(CIFAR100, "build_data", lambda *_: pytest.fail("a finished run must not read data"))
    again = run()
    assert again.again
    assert again.result == first.result


@pytest.mark.slow
def test_force_runs_again_and_keeps_the_old_files(run):
    first = run()
    again = run("force=true")
    assert not again.again
    assert_equal_runs(again, first)
    (kept,) = (folder_of(first) / "replaced").iterdir()
    assert json.loads((kept / "result.json").read_text()) == first.result
    assert len(ledger.read(folder_of(first).parents[3] / "ledger.csv")[0]) == 1


def test_a_result_of_other_code_is_returned_with_a_note(run, monkeypatch, capsys):
    run()
    monkeypatch.setattr(environment, "code_hash", lambda _: "changed")
    assert run().again
    assert "is from other code" in capsys.readouterr().out


@pytest.mark.parametrize("number", [pytest.param(1, marks=SLOW), 3, pytest.param(4, marks=SLOW)])
@pytest.mark.parametrize("raised", [signal.SIGTERM, signal.SIGINT])
def test_a_resumed_run_equals_an_uninterrupted_run(run, monkeypatch, tmp_path, number, raised):
    expected = run("act=carelu", f"output_root={tmp_path / 'undisturbed'}")
    with monkeypatch.context() as patch:
        stop_at_step(patch, number, raised)
        stopped = run("act=carelu")
    assert stopped.result is None
    assert (folder_of(stopped) / "checkpoint.pt").exists()
    assert_equal_runs(run("act=carelu"), expected)


@pytest.mark.slow
def test_a_run_stopped_in_its_evaluation_equals_an_uninterrupted_run(run, monkeypatch, tmp_path):
    expected = run(f"output_root={tmp_path / 'undisturbed'}")
    usual, begun = ImageBatches.__iter__, []

    def interrupted(self):
        begun.append(1)
        if len(begun) == 2:  # the first measures the activations at the start
            signal.raise_signal(signal.SIGTERM)
        return usual(self)

    with monkeypatch.context() as patch:
        patch.setattr(ImageBatches, "__iter__", interrupted)
        assert run().result is None
    assert_equal_runs(run(), expected)


def test_a_run_killed_between_its_last_checkpoint_and_its_result_only_writes_the_result(run, monkeypatch):
    expected = run()
    (folder_of(expected) / "result.json").unlink()
    monkeypatch.setattr(CIFAR100, "loss", lambda *_: pytest.fail("nothing is left to train"))
    assert_equal_runs(run(), expected)


@pytest.mark.slow
def test_a_signal_while_the_result_is_written_is_told_to_the_sweep(run, monkeypatch):
    usual = RunDirectory.finish

    def finish_and_signal(self, result):
        usual(self, result)
        signal.raise_signal(signal.SIGTERM)

    assert not run("seed=1").signalled
    monkeypatch.setattr(RunDirectory, "finish", finish_and_signal)
    outcome = run()
    assert outcome.signalled and outcome.result["status"] == "finished"


@pytest.mark.slow
def test_metrics_that_are_ahead_of_the_checkpoint_are_taken_back(run, monkeypatch, tmp_path):
    expected = run(f"output_root={tmp_path / 'undisturbed'}")
    stop_at_step(monkeypatch, 5, signal.SIGTERM)
    stopped = run()
    with (folder_of(stopped) / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 99}\n{"half a rec')
    assert_equal_runs(run(), expected)


@pytest.mark.parametrize("changed", ["code_hash", "git_state"])
def test_an_interrupted_run_refuses_to_resume_with_other_code(run, monkeypatch, changed):
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2, signal.SIGTERM)
        run()
    monkeypatch.setattr(environment, changed, lambda *_: "other" if changed == "code_hash" else ("other", False))
    if changed == "git_state":  # a commit that leaves the code alone is no other code
        assert run().result["status"] == "finished"
        return
    with pytest.raises(BadInput, match=r"started with code_hash .* force=true"):
        run()
    assert run("force=true").result["status"] == "finished"


def test_an_interrupted_run_refuses_to_resume_with_another_kernel_and_says_how(run, monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "torch_ops")
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2, signal.SIGTERM)
        run("act=carelu")
    monkeypatch.setenv("CARELU_KERNEL", "eager")
    with pytest.raises(BadInput, match=r"kernel torch_ops .* kernel eager; set CARELU_KERNEL=torch_ops, or add force"):
        run("act=carelu")
    monkeypatch.setenv("CARELU_KERNEL", "torch_ops")
    assert run("act=carelu").result["kernel"] == "torch_ops"


def test_a_run_on_other_data_is_another_run(run, monkeypatch):
    first = run("trainer.max_steps=1")
    assert first.result["data_fingerprint"] == first.identity.data_fingerprint != ""
    monkeypatch.setitem(cifar100.SHEETS, "test.webp", "another sum")
    second = run("trainer.max_steps=1")
    assert not second.again
    assert second.identity.run_id != first.identity.run_id


# Damage, and what cannot be written


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (lambda whole: whole[: len(whole) // 2], "cannot be read as a checkpoint"),
        (lambda whole: b"", "cannot be read as a checkpoint"),
        (lambda whole: b"not a checkpoint at all", "cannot be read as a checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused(run, monkeypatch, content, answer):
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2, signal.SIGTERM)
        file = folder_of(run()) / "checkpoint.pt"
    file.write_bytes(content(file.read_bytes()))
    with pytest.raises(BadInput, match=answer) as caught:
        run()
    assert str(file) in str(caught.value)
    assert "force=true" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "answer"),
    [({"state_dict": {}}, "not a checkpoint of this suite"), ([1, 2], "not a checkpoint of this suite")],
)
def test_a_foreign_checkpoint_is_refused(run, monkeypatch, content, answer):
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2, signal.SIGTERM)
        file = folder_of(run()) / "checkpoint.pt"
    torch.save(content, file)
    with pytest.raises(BadInput, match=answer):
        run()


def test_the_checkpoint_of_another_run_is_refused(run, monkeypatch):
    other = folder_of(run("seed=1")) / "checkpoint.pt"
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2, signal.SIGTERM)
        file = folder_of(run()) / "checkpoint.pt"
    file.write_bytes(other.read_bytes())
    with pytest.raises(BadInput, match="belongs to the run cifar100-small-carelu-s1"):
        run()


@pytest.mark.slow
def test_a_damaged_result_is_named(run):
    (folder_of(run()) / "result.json").write_text('{"status": "fin')
    with pytest.raises(BadInput, match=r"result\.json is damaged"):
        run()


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint_and_the_same_command_resumes(run, monkeypatch, tmp_path):
    expected = run(f"output_root={tmp_path / 'undisturbed'}")
    with monkeypatch.context() as patch:
        stop_at_step(patch, 4, signal.SIGTERM)
        stopped = folder_of(run())
    before = (stopped / "checkpoint.pt").read_bytes()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, usual[1]))
    try:
        with pytest.raises(BadInput, match=r"checkpoint\.pt cannot be written: File too large"):
            run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert (stopped / "checkpoint.pt").read_bytes() == before
    assert not list(stopped.glob("*.part"))
    assert_equal_runs(run(), expected)


def test_an_output_folder_that_cannot_be_made_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be written: Not a directory; name another folder with output_root"):
        run(f"output_root={tmp_path / 'file'}")


def test_a_run_in_use_says_who_holds_it(run, tiny_overrides):
    outcome = run()
    with RunDirectory(folder_of(outcome)).lock(), pytest.raises(BadInput, match=r"in use: process \d+ on .+ since"):
        run()


# Ends that are not a finish


def test_a_loss_that_is_no_number_ends_the_run_as_diverged_and_keeps_the_last_good_checkpoint(run, monkeypatch):
    usual, drawn = CIFAR100.loss, []

    def loss(self, model, batch):
        drawn.append(1)
        value, metrics, count = usual(self, model, batch)
        return value * (float("nan") if len(drawn) == 5 else 1.0), metrics, count

    monkeypatch.setattr(CIFAR100, "loss", loss)
    outcome = run()
    assert outcome.result["status"] == "diverged"
    assert "step 5" in outcome.result["reason"]
    assert outcome.result["headline_value"] is None
    assert all(torch.isfinite(value).all() for value in weights_of(outcome).values())
    assert torch.load(folder_of(outcome) / "checkpoint.pt", weights_only=True)["counters"]["steps"] == 3
    ((row,), _) = ledger.read(folder_of(outcome).parents[3] / "ledger.csv")
    assert (row.status, row.headline_value) == ("diverged", None)
    assert run().again


def test_a_learning_rate_that_is_far_too_high_diverges(run):
    assert run("optim.optimizer.lr=1e9", "trainer.epochs=5").result["status"] == "diverged"


@pytest.mark.slow
def test_a_failing_run_is_recorded_with_its_reason_and_tried_again(run, monkeypatch, tmp_path):
    expected = run(f"output_root={tmp_path / 'undisturbed'}")

    def broken(self, model, batch):
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr(CIFAR100, "loss", broken)
        outcome = run()
    assert outcome.result["status"] == "failed"
    assert "out of luck" in outcome.result["reason"]
    assert "out of luck" in (folder_of(outcome) / "traceback.txt").read_text()
    assert_equal_runs(run(), expected)


# Mistakes that only torch can see


@pytest.mark.parametrize(
    ("overrides", "answer"),
    [
        (
            ["trainer.device=cuda:99"],
            r"trainer\.device=cuda:99 is not available on this machine; accepted here: auto, cpu",
        ),
        (["trainer.precision=float16", "trainer.device=cpu"], "accepted on cpu: float32, bfloat16"),
        (["act=carelu", "act.options.gain=0.5"], "gain > 1"),
        (["act=carelu", "act.options.competition=energie"], "did you mean 'energy'"),
        (["act=carelu", "act.options.over=samples"], "'sample', 'channel', 'feature'"),
        (["optim.optimizer.name=SGDD"], "SGDD"),
    ],
)
def test_a_mistake_is_answered_before_any_data_is_read(run, monkeypatch, overrides, answer):
    monkeypatch.setattr(CIFAR100, "build_data", lambda *_: pytest.fail("too late"))
    with pytest.raises(BadInput, match=answer):
        run(*overrides)


@pytest.mark.slow
def test_state_does_not_leak_from_one_run_to_the_next(run, tmp_path):
    first = run("act=carelu", "seed=1")
    run("act=prelu", "trainer.precision=bfloat16", "trainer.max_steps=2")
    assert_equal_runs(run("act=carelu", "seed=1", f"output_root={tmp_path / 'later'}"), first)


@pytest.mark.slow
def test_the_start_of_training_is_the_same_for_every_activation_that_starts_as_relu(run):
    carelu, relu = run("act=carelu"), run("act=relu")
    first = [metrics_of(outcome)[0] for outcome in (carelu, relu)]
    assert first[1] == {"epoch": 0, "step": 0}
    assert set(first[0]) == {"epoch", "step", "activations"}


def test_the_display_writes_one_line_an_epoch_where_there_is_no_terminal(tiny_cifar100, tiny_overrides, capsys):
    Run(*compose(tiny_overrides), Display()).complete()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/2", "2/2"]
    assert any(line.startswith("activation carelu") for line in lines)


def other_content(**changes):
    return lambda whole: json.dumps({**json.loads(whole), **changes})


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (lambda whole: "[]", "result.json is damaged .*not an object"),
        (lambda whole: "{}", "result.json is damaged .*'run_id' is missing"),
        (lambda whole: '{"status": "finished"}', "result.json is damaged"),
        (lambda whole: "[" * 100_000, "result.json is damaged"),
        (other_content(run_id="of another"), "holds the result of the run of another, not of cifar100-"),
        (other_content(status="perfect"), "result.json is damaged .*'status' is 'perfect'"),
        (other_content(wall_seconds=[1]), "result.json is damaged"),
        (other_content(headline_metric="nonsense"), "result.json is damaged .*'nonsense', not of this task"),
    ],
)
def test_a_result_that_parses_and_is_wrong_is_named_and_force_replaces_it(run, content, answer):
    file = folder_of(run("trainer.max_steps=1")) / "result.json"
    file.write_text(content(file.read_text()))
    with pytest.raises(BadInput, match=answer) as caught:
        run("trainer.max_steps=1")
    assert "force=true" in str(caught.value) and "\n" not in str(caught.value)
    assert run("trainer.max_steps=1", "force=true").result["status"] == "finished"


def test_force_works_whatever_lies_there(run):
    folder = folder_of(run("trainer.max_steps=1"))
    names = ["result.json", "checkpoint.pt", "metrics.jsonl", "environment.json", "config.yaml", "predictions.npz"]
    for name in [*names, "checkpoint.previous.pt", "checkpoint.pt.part"]:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()
    (folder / "artifacts").write_text("no folder")
    (folder / "replaced" / "2").mkdir(parents=True)
    assert run("trainer.max_steps=1", "force=true").result["status"] == "finished"
    assert (folder / "replaced" / "1" / "result.json").is_dir()


def test_a_damaged_ledger_is_found_before_a_run_is_trained(run, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "ledger.csv").write_text("no ledger")
    monkeypatch.setattr(CIFAR100, "loss", lambda *_: pytest.fail("too late"))
    with pytest.raises(BadInput, match=r"ledger\.csv is not a ledger"):
        run()


def test_a_record_of_metrics_with_line_breaks_of_unicode_is_read(tmp_path):
    file = tmp_path / "metrics.jsonl"
    RunDirectory(tmp_path).write_metrics([{"epoch": 0, "name": "a\u2028b\x85c"}])
    assert read_metrics(file) == [{"epoch": 0, "name": "a\u2028b\x85c"}]


def test_a_model_that_no_memory_holds_is_answered_with_its_size(run):
    with pytest.raises(BadInput, match=r"model=resnet18-w900000000 .* does not fit into memory: .*model\.\*"):
        run("model.width=900000000")


def test_a_finished_run_that_was_edited_is_used_with_a_note(run, capsys):
    folder = folder_of(run())
    (folder / "metrics.jsonl").write_text((folder / "metrics.jsonl").read_text().replace("0", "1", 1))
    capsys.readouterr()
    assert run().again
    assert f"note: metrics.jsonl of {folder} is not as the run wrote it" in capsys.readouterr().out

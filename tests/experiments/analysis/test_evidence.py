"""A ledger read as evidence: what is used, what is named as unusable, and what is refused."""

import json

import pytest

from carelu import activation_names
from experiments.analysis.evidence import read_evidence
from experiments.analysis.runs import Setting, activations_of
from experiments.errors import BadInput
from experiments.record.row import COLUMNS
from tests.experiments.ledgers import grid, row, write


def damaged(file, line, change):
    """Changes one line (1 is the header) of a ledger."""
    lines = file.read_text().split("\n")
    lines[line - 1] = change(lines[line - 1])
    file.write_text("\n".join(lines))
    return file


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


def test_runs_on_unlike_processors_have_one_setting_that_names_them_and_gpus_their_own(tmp_path):
    devices = [("Intel Xeon", 2), ("AMD EPYC", 2), ("AMD EPYC", 1), ("NVIDIA H100", None), ("NVIDIA H200", None)]
    rows = [row("relu", seed, device=device, threads=threads) for seed, (device, threads) in enumerate(devices)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    labels = [f"{device} ({threads} threads)" for device, threads in (("AMD EPYC and Intel Xeon", 2),)]
    labels += ["AMD EPYC (1 thread)", "NVIDIA H100", "NVIDIA H200"]
    assert sorted(setting.device_label for setting in evidence.settings()) == sorted(labels)
    assert [run.device for run in evidence.runs] == [device for device, _ in devices]


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
    ("change", "named"),
    [
        (lambda line: line.replace("41.25,713076", "4l.25,713076"), "column 'headline_value' is '4l.25', not a number"),
        (lambda line: line.replace("41.25,713076", "nan,713076"), "column 'headline_value' is 'nan', not a number"),
        (lambda line: line.replace("41.25,713076", "4125,713076"), "'4125', and the best possible is 100"),
        (lambda line: line.replace("finished", "finishd"), "column 'status' is 'finishd', not finished or diverged"),
        (lambda line: line.replace("{},1,top1", "{},-1,top1"), "column 'seed' is '-1', not an integer"),
        (lambda line: line.replace("{},1,top1", "[],1,top1"), "column 'overrides' is '[]', not a JSON object"),
        (lambda line: line.replace("EPYC,2,", "EPYC,two,"), "column 'threads' is 'two', not an integer ≥ 0 or empty"),
        (lambda line: line.replace("T12:00:00Z", ""), "column 'finished_at' is '2026-01-31', not a time"),
        (lambda line: line[:40], "it ends before column"),
        (lambda line: line + ",1", "cells for"),
        (lambda line: line.replace("python run", '"python run'), "it is not CSV"),
        (lambda line: line.replace("resnet18", "\ufffdnet"), "column 'model' is '\ufffdnet-w16', not text in UTF-8"),
    ],
)
def test_a_bad_row_is_named_with_line_and_column_and_the_rest_is_used(tmp_path, change, named):
    file = write(tmp_path / "ledger.csv", [row(seed=0), row(seed=1, value=41.25), row(seed=2)])
    evidence = read_evidence(damaged(file, 3, change))
    assert [run.seed for run in evidence.runs] == [0, 2]
    assert len(evidence.problems) == 1
    assert evidence.problems[0].startswith("line 3 of ledger.csv is left out: ")
    assert named in evidence.problems[0]


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


def test_a_finished_run_without_its_records_is_named(tmp_path):
    rows = [row(seed=seed, run_id=f"run-{seed}") for seed in (0, 1)] + [row(seed=2, run_id="run-2", status="failed")]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "run-0.jsonl").write_text('{"epoch": 1}\n')
    (problem,) = evidence.without_metrics()
    assert problem.startswith("run-1 ")


def test_activations_with_the_same_keys_are_ordered_by_their_values(tmp_path):
    rows = [row(f"carelu(gain={gain})", 0) for gain in (3, 2, 4)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert activations_of(evidence.runs) == ["carelu(gain=2)", "carelu(gain=3)", "carelu(gain=4)"]


def test_a_function_that_was_not_recorded_is_called_unknown(tmp_path):
    rows = [row("mine", 0, activation_hash=""), row("mine", 0, activation_hash="badbadbadbad", run_id="another")]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert sorted(run.act for run in evidence.runs) == ["mine#badbad", "mine#unknown"]


def test_bytes_that_are_no_text_damage_their_row_only(tmp_path):
    file = write(tmp_path / "ledger.csv", [row(seed=0), row(seed=1)])
    file.write_bytes(file.read_bytes().replace(b"resnet18", b"\xff\xfe", 1))
    evidence = read_evidence(file)
    assert [run.seed for run in evidence.runs] == [1]
    assert "line 2" in evidence.problems[0]


def test_a_column_of_remarks_is_no_metric(tmp_path):
    rows = [row(seed=0, remark="on the old machine"), row(seed=1, remark="")]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert evidence.problems == ()
    assert all("remark" not in run.metrics for run in evidence.runs)


def test_of_repeated_runs_the_newest_is_used_and_the_others_are_named(tmp_path):
    newest = row(seed=0, value=43.0, run_id="new", finished_at="2026-03-01T00:00:00Z")
    rows = [newest, row(seed=0, value=42.0, run_id="old"), row(seed=1)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert [run.value for run in evidence.runs if run.seed == 0] == [43.0]
    assert evidence.problems == (
        "old of 2026-01-31T12:00:00Z is not used: new of 2026-03-01T00:00:00Z is newer and has the same setting, "
        "activation (relu) and seed (0).",
    )


@pytest.mark.parametrize(
    "newest",
    [
        row(seed=0, value=41.0, run_id="new", finished_at="2026-03-01T00:00:00Z"),
        row(seed=0, status="diverged", run_id="new", finished_at="2026-03-01T00:00:00Z"),
        row(seed=0, value=41.0, run_id="new", finished_at="2026-01-31T11:30:00-02:00"),
    ],
    ids=["worse", "diverged", "later in another time zone"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_of_repeated_runs_is_used_however_it_did(tmp_path, newest, order):
    rows = [
        row(seed=0, value=42.0, run_id="old"),
        row(seed=0, value=43.0, run_id="older", finished_at="2025-01-01T00:00:00Z"),
        newest,
    ]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows[::order]))
    assert [run.run_id for run in evidence.runs] == ["new"]
    assert len(evidence.problems) == 2


def test_a_repetition_of_a_loss_is_also_judged_by_its_time(tmp_path):
    rows = [
        row(seed=0, value=1.5, headline_metric="loss", run_id="old"),
        row(seed=0, value=1.8, headline_metric="loss", run_id="new", finished_at="2026-03-01T00:00:00Z"),
    ]
    assert [run.value for run in read_evidence(write(tmp_path / "ledger.csv", rows)).runs] == [1.8]


def test_a_run_that_did_not_finish_has_no_value_of_any_metric(tmp_path):
    rows = [row(seed=0, top5=70.0), row(seed=1, status="diverged", top5=3.0)]
    file = write(tmp_path / "ledger.csv", rows)
    damaged(file, 3, lambda line: line.replace(",top1,,", ",top1,9.5,"))
    finished, diverged = read_evidence(file).runs
    assert (finished.of_metric("top1"), finished.of_metric("top5")) == (40.0, 70.0)
    assert (
        diverged.value is diverged.of_metric(None) is diverged.of_metric("top1") is diverged.of_metric("top5") is None
    )


def test_a_metric_of_zero_is_a_value(tmp_path):
    run = read_evidence(write(tmp_path / "ledger.csv", [row(value=0.0, top5=0)])).runs[0]
    assert (run.value, run.metrics) == (0.0, {"top1": 0.0, "top5": 0.0})


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (None, "there is no ledger .*--ledger"),
        ("", "is not a ledger: column 'run_id' is missing"),
        ("a,b\n1,2\n", "is not a ledger: column 'run_id' is missing"),
        (",".join(COLUMNS) + ",seed\n", "is not a ledger: column 'seed' is repeated"),
        (",".join(COLUMNS) + "\n", "no usable row: it has no rows"),
        (",".join(COLUMNS) + "\nx,y\n", "no usable row: line 2 .* ends before column 'task'"),
    ],
)
def test_a_file_without_a_usable_row_is_refused(tmp_path, content, answer):
    file = tmp_path / "ledger.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadInput, match=answer):
        read_evidence(file)


def test_the_records_of_a_run_are_found_beside_a_published_ledger_and_beside_a_local_one(tmp_path):
    rows = [row(seed=seed, run_id=f"published-{seed}", config_hash=f"{seed}abc") for seed in range(4)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    published = tmp_path / "metrics" / f"{evidence.runs[0].run_id}.jsonl"
    local = tmp_path / "cifar100" / "small" / "relu" / "s1-1abc" / "metrics.jsonl"
    broken = tmp_path / "metrics" / f"{evidence.runs[3].run_id}.jsonl"
    for file, text in (
        (published, '{"epoch": 1}\n{"epoch": 2}\n'),
        (local, '{"epoch": 9}\n'),
        (broken, '{"epoch": 1}\n{"ep'),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    first, second, third, fourth = evidence.runs
    assert evidence.metrics_of(first) == [json.loads('{"epoch": 1}'), {"epoch": 2}]
    assert evidence.metrics_of(second) == [{"epoch": 9}]
    assert evidence.metrics_of(third) is None
    with pytest.raises(BadInput, match=r"line 2 is damaged"):
        evidence.metrics_of(fourth)


def test_the_picture_of_a_run_is_beside_the_ledger_or_in_the_run_directory(tmp_path):
    rows = [row(seed=seed, run_id=f"published-{seed}", config_hash=f"{seed}abc") for seed in range(3)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    published = tmp_path / "pictures" / "published-0.png"
    local = tmp_path / "cifar100" / "small" / "relu" / "s1-1abc" / "artifacts" / "comparison.png"
    for file in (published, local):
        file.parent.mkdir(parents=True)
        file.touch()
    assert [evidence.picture_of(run) for run in evidence.runs] == [published, local, None]


def test_the_configuration_of_a_run_is_beside_the_ledger_or_in_the_run_directory(tmp_path):
    rows = [row(seed=seed, run_id=f"published-{seed}", config_hash=f"{seed}abc") for seed in range(4)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    published = tmp_path / "configs" / "published-0.yaml"
    local = tmp_path / "cifar100" / "small" / "relu" / "s1-1abc" / "config.yaml"
    broken = tmp_path / "configs" / "published-3.yaml"
    for file, text in ((published, "seed: 0\n"), (local, "seed: 1\n"), (broken, "a: [")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert [evidence.config_of(run) for run in evidence.runs[:3]] == [{"seed": 0}, {"seed": 1}, None]
    with pytest.raises(BadInput, match=r"published-3\.yaml cannot be read"):
        evidence.config_of(evidence.runs[3])


def test_two_functions_of_one_name_get_two_labels_and_a_sentence(tmp_path):
    rows = [row("mine(gain=2)", 0), row("mine(gain=2)", 0, activation_hash="badbadbadbad"), row("mine", 1)]
    rows[1]["run_id"] = "another"
    evidence = read_evidence(write(tmp_path / "ledger.csv", [*rows, row("relu", 0, activation_hash="")]))
    assert sorted(run.act for run in evidence.runs) == ["mine#ac7", "mine#ac7(gain=2)", "mine#badbad(gain=2)", "relu"]
    (problem,) = evidence.problems
    assert problem.startswith("mine is the name of 2 functions here") and "mine#ac7, mine#badbad" in problem


def test_runs_of_commits_with_unlike_defaults_are_told_apart(tmp_path):
    rows = [
        row("carelu", 0, git_commit="a"),
        row("carelu", 1, git_commit="b"),
        row("carelu(gain=2)", 2, git_commit="b"),
    ]
    rows += [row("carelu(alpha=0)", 3, git_commit="b"), row("carelu", 4, git_commit="c")]
    for each, alpha in zip(rows, (0.0, 1.0, 1.0, 0.0, None), strict=True):
        config = tmp_path / "configs" / f"{each['run_id']}.yaml"
        config.parent.mkdir(exist_ok=True)
        if alpha is not None:  # of the last one none is published
            config.write_text(f"act: {{name: carelu, options: {{alpha: {alpha}, gain: 1.5}}}}\n")
    runs = read_evidence(write(tmp_path / "ledger.csv", rows)).runs
    labels = ["carelu(alpha=0)", "carelu(alpha=1)", "carelu(alpha=1, gain=2)", "carelu(alpha=0)", "carelu"]
    assert [run.act for run in runs] == labels


def test_runs_before_a_recipe_changed_are_of_a_setting_of_their_own(tmp_path):
    """Of one activation alone: another may have a tuned value of its own."""
    rows = [row("relu", seed, git_commit="b", finished_at=f"2026-02-0{seed + 1}T00:00:00Z") for seed in range(2)]
    rows += [row("carelu", seed, git_commit="b", finished_at=f"2026-02-0{seed + 1}T00:00:00Z") for seed in range(2)]
    rows[2].update(git_commit="a", finished_at="2026-01-01T00:00:00Z")
    for each, rate in zip(rows, (0.4, 0.4, 0.2, 0.8), strict=True):
        config = tmp_path / "configs" / f"{each['run_id']}.yaml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(f"act: {{name: {each['act']}}}\nseed: {each['seed']}\noptim: {{optimizer: {{lr: {rate}}}}}\n")
    runs = read_evidence(write(tmp_path / "ledger.csv", rows)).runs
    own = {"optim.optimizer.lr": 0.2}
    assert [run.setting.changes for run in runs] == [{}, {}, own, {}]
    assert [run.overrides for run in runs] == [{}, {}, own, {}]


def test_runs_of_two_commits_in_other_folders_and_on_other_gpus_are_of_one_setting(tmp_path):
    rows = [row("relu", seed, git_commit="ab"[seed], device="H100", threads=None) for seed in range(2)]
    for each, name in zip(rows, ("here", "there"), strict=True):
        each["data_fingerprint"] = "da7a"
        config = tmp_path / "configs" / f"{each['run_id']}.yaml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(
            f"output_root: {name}\nlogger: {{name: {name}}}\nact: {{package: {name}}}\n"
            f"data: {{root: {name}, train: {name}}}\ntrainer: {{device: 'cuda:{each['seed']}'}}\n"
        )
    (setting,) = read_evidence(write(tmp_path / "ledger.csv", rows)).settings()
    assert setting.changes == {}


def test_runs_of_one_default_keep_their_label(tmp_path):
    rows = [row("carelu", seed, git_commit=str(seed)) for seed in range(2)]
    for each in rows:
        config = tmp_path / "configs" / f"{each['run_id']}.yaml"
        config.parent.mkdir(exist_ok=True)
        config.write_text("act: {name: carelu, options: {alpha: 1.0}}\n")
    assert {run.act for run in read_evidence(write(tmp_path / "ledger.csv", rows)).runs} == {"carelu"}


def test_runs_on_data_of_another_content_have_another_setting(tmp_path):
    rows = [row("relu", 0, data_fingerprint="da7a"), row("carelu", 0, data_fingerprint="07e4"), row("gelu", 0)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert [setting.content_label for setting in evidence.settings()] == ["", "data 07e4", "data da7a"]

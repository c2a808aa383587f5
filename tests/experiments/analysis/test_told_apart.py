"""What is pooled under one name and what is not."""

from experiments.analysis.evidence import read_evidence
from tests.experiments.ledgers import row, write


def test_runs_on_unlike_processors_have_one_setting_that_names_them_and_gpus_their_own(tmp_path):
    devices = [("Intel Xeon", 2), ("AMD EPYC", 2), ("AMD EPYC", 1), ("NVIDIA H100", None), ("NVIDIA H200", None)]
    rows = [row("relu", seed, device=device, threads=threads) for seed, (device, threads) in enumerate(devices)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    labels = [f"{device} ({threads} threads)" for device, threads in (("AMD EPYC and Intel Xeon", 2),)]
    labels += ["AMD EPYC (1 thread)", "NVIDIA H100", "NVIDIA H200"]
    assert sorted(setting.device_label for setting in evidence.settings()) == sorted(labels)
    assert [run.device for run in evidence.runs] == [device for device, _ in devices]


def test_a_function_that_was_not_recorded_is_called_unknown(tmp_path):
    rows = [row("mine", 0, activation_hash=""), row("mine", 0, activation_hash="badbadbadbad", run_id="another")]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert sorted(run.act for run in evidence.runs) == ["mine#badbad", "mine#unknown"]


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

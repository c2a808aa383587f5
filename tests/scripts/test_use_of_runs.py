"""`evaluate.py`, `predict.py` and `export.py` on a run: what they print, write and refuse."""

import csv

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from experiments import load_run
from experiments.tasks.cifar100.classes import NAMES
from scripts import evaluate, export, predict


@pytest.fixture
def finished(run):
    return run("trainer.epochs=1")


@pytest.fixture
def call(monkeypatch):
    """Calls the `main` of a script with arguments."""

    def main(script, *arguments):
        monkeypatch.setattr("sys.argv", ["script", *map(str, arguments)])
        return script.main()

    return main


def test_evaluate_prints_each_metric_beside_its_record(finished, call, capsys, tmp_path):
    folder = finished.identity.directory
    assert call(evaluate, folder, "--json", tmp_path / "metrics.json") == 0
    printed = capsys.readouterr().out
    assert f"{finished.result['top1']:.2f} %" in printed and "in the record" in printed
    assert printed.count("none") == 3  # the differences
    assert finished.identity.run_id in (tmp_path / "metrics.json").read_text()


def test_a_mistake_is_one_line(call, capsys, tmp_path):
    for script in (evaluate, predict):
        assert call(script, tmp_path / "nothing", "x=1") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {tmp_path / 'nothing'} is not the folder of a run")


def test_pictures_get_the_class_that_the_run_recorded_for_them(finished, call, capsys, tmp_path, sample):
    _, test = sample
    folder = finished.identity.directory
    recorded = np.load(folder / "predictions.npz")["test/predicted"]
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, image in zip(files, test.images[:2], strict=False):  # the tiny test set keeps the first two of a class
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file)
    Image.fromarray(test.images[0].permute(1, 2, 0).numpy()).resize((96, 64)).save(files[2])
    assert call(predict, folder, *files, "--csv", tmp_path / "answers.csv") == 0
    with (tmp_path / "answers.csv").open() as stream:
        answers = [row["answer"] for row in csv.DictReader(stream)]
    assert answers[:2] == [NAMES[label] for label in recorded[:2]]
    assert answers[2] in NAMES
    assert f"{files[0]}  {answers[0]}  " in capsys.readouterr().out
    (tmp_path / "broken.png").write_text("no picture")
    assert call(predict, folder, tmp_path / "broken.png") == 2
    assert "broken.png is not an image" in capsys.readouterr().err


def test_export_writes_into_the_folder_of_the_run_or_where_it_is_told(finished, call, capsys, tmp_path):
    folder = finished.identity.directory
    assert call(export, folder, "--safetensors") == 0
    assert capsys.readouterr().out.strip() == str(folder / "model.safetensors")
    assert call(export, folder, "--safetensors", tmp_path / "weights") == 0
    assert load_file(tmp_path / "weights").keys() == load_run(folder).model.state_dict().keys()
    with pytest.raises(SystemExit):
        call(export, folder)
    assert "name a format" in capsys.readouterr().err

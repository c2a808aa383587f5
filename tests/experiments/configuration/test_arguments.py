"""Options may stand anywhere, and those that could run code or do not exist are refused."""

import os

import pytest

from experiments.configuration.arguments import arranged, settings_of
from experiments.configuration.command_line import check_command
from experiments.errors import BadInput


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("seed=0,1 -m", "--multirun seed=0,1"),
        ("task=text -m seed=0", "--multirun task=text seed=0"),
        ("act=relu -c job seed=1", "--cfg job act=relu seed=1"),
        ("act=relu --cfg=all --resolve", "--cfg all --resolve act=relu"),
        ("act=relu -i", "--info all act=relu"),
        ("-i act=relu", "--info all act=relu"),
        ("-i plugins act=relu", "--info plugins act=relu"),
        ("seed=1 -cd own -p act -h", "--config-dir own --package act --help seed=1"),
    ],
)
def test_options_come_first_wherever_they_stand(words, expected):
    assert arranged(words.split()) == expected.split()


def test_the_settings_are_what_is_no_option():
    assert settings_of(arranged(["act=relu", "-c", "job", "seed=1", "--config-dir=own"])) == ["act=relu", "seed=1"]
    assert settings_of(arranged(["-m", "own"])) == ["own"]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("--experimental-rerun=x.pickle", "--experimental-rerun=x.pickle is not accepted: a pickled configuration"),
        ("--experimental-rerun x.pickle", "--experimental-rerun is not accepted"),
        ("--exp x.pickle", "unknown option '--exp'"),
        ("-cn nope", "-cn is not accepted: there is one configuration"),
        ("--config-path=/tmp", "--config-path=/tmp is not accepted"),
        ("--multi", "unknown option '--multi'; did you mean --multirun"),
        ("--multirun=yes", "unknown option '--multirun=yes'"),
        ("-c", "--cfg: accepted: job, hydra, all"),
        ("-c jobs", "--cfg jobs: accepted: job, hydra, all"),
        ("--config-dir", "--config-dir: accepted: a name after it"),
    ],
)
def test_an_option_that_is_not_accepted_is_answered_in_one_line(words, answer):
    with pytest.raises(BadInput) as caught:
        arranged(words.split())
    assert str(caught.value).startswith(answer) and "\n" not in str(caught.value)


def test_what_is_no_text_is_named(tmp_path, monkeypatch):
    name = os.fsdecode(b"data.root=\xff")
    with pytest.raises(BadInput, match=r"'data.root=\\udcff' holds bytes that are not UTF-8"):
        arranged([name])
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(BadInput, match="holds bytes that are not UTF-8; rename the file or folder"):
        arranged([])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("hydra.mode=MULTIRUN", "hydra.mode=MULTIRUN is not accepted; to sweep: python run.py -m"),
        ("hydra.mode='MULTIRUN'", "is not accepted; to sweep"),
        ("+hydra.mode=MULTIRUN", "is not accepted; to sweep"),
        ("hydra.run.dir=/proc/x", "hydra.run.dir=/proc/x cannot be written"),
        ("-m seed=0,1 hydra.sweep.dir=/proc/x/y", "hydra.sweep.dir=/proc/x cannot be written"),
        ("-m hydra.launcher._target_=os.system", "_target_ names code"),
        ("-m hydra.sweeper._target_=os.system", "_target_ names code"),
        ("-m hydra.launcher={_target_:os.system}", "_target_ names code"),
        ("+hydra.callbacks.x={_target_:os.system,command:ls}", "_target_ names code"),
        ("--cfg job +hydra.callbacks.x={_target_:os.system,command:ls}", "_target_ names code"),
        ("hydra.job_logging.root.level=1", "unknown key of Hydra 'hydra.job_logging.root.level'"),
        ("hydra.searchpath=[file:///tmp]", "unknown key of Hydra 'hydra.searchpath'"),
        ("hydra.job.env_set.LD_PRELOAD=x", "unknown key of Hydra"),
    ],
)
def test_settings_of_hydra_that_could_run_code_are_refused(tmp_path, monkeypatch, words, answer):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as caught:
        check_command(words.split())
    assert answer in str(caught.value) and "\n" not in str(caught.value)

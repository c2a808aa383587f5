"""`--dry-run` and `+find=lr` are taken out of a command before Hydra reads it, and answered."""

import pytest

from experiments.configuration.command_line import SweepPlan
from experiments.errors import BadInput
from experiments.sweep import dry_run
from experiments.sweep.questions import answer, split_questions
from experiments.training import learning_rate_finder


def test_the_words_for_hydra_are_kept_in_order():
    assert split_questions(["-m", "--dry-run", "seed=0,1"]) == (["-m", "seed=0,1"], ["--dry-run"])
    assert split_questions(["act=relu", "+find=lr"]) == (["act=relu"], ["+find=lr"])
    assert split_questions(["act=relu", "+experiment=find"]) == (["act=relu", "+experiment=find"], [])


def test_each_question_goes_to_who_can_answer_it(monkeypatch):
    monkeypatch.setattr(dry_run, "show", lambda sweep: ("shown", sweep))
    monkeypatch.setattr(learning_rate_finder, "perform", lambda args: ("found", args))
    plan = SweepPlan.__new__(SweepPlan)
    assert answer(["--dry-run"], ["seed=0,1"], plan) == ("shown", plan)
    assert answer(["+find=lr"], ["act=relu"], None) == ("found", ["act=relu"])


@pytest.mark.parametrize(
    ("asked", "sweep", "said"),
    [
        (["+find=momentum"], None, r"\+find=momentum is not accepted; accepted: \+find=lr"),
        (["+find=lr"], "a sweep", r"\+find=lr tests one configuration, and -m describes many"),
        (["--dry-run", "+find=lr"], "a sweep", "cannot be asked at once"),
    ],
)
def test_a_question_that_does_not_fit_is_refused(asked, sweep, said):
    with pytest.raises(BadInput, match=said):
        answer(asked, [], sweep)

"""The answer to a name that does not exist."""

from experiments.errors import unknown


def test_the_closest_names_come_before_all_names():
    message = str(unknown("task", "cifar10", ["text", "superres", "cifar100"]))
    assert message == "unknown task 'cifar10'; did you mean cifar100? Accepted: cifar100, superres, text"


def test_where_nothing_is_close_all_names_are_given():
    assert str(unknown("task", "zzz", ["text", "cifar100"])) == "unknown task 'zzz'; accepted: cifar100, text"


def test_a_command_that_shows_all_names_takes_the_place_of_the_list():
    message = str(unknown("key", "sed", ["seed"], "python run.py --help shows all"))
    assert message == "unknown key 'sed'; did you mean seed? python run.py --help shows all"

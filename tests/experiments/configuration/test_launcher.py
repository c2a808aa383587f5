"""The options of a launcher are refused before any job starts."""

import pytest

from experiments.configuration.launcher import check_launcher_options
from experiments.errors import BadInput


def test_options_in_range_and_those_of_submitit_that_are_not_checked_pass():
    check_launcher_options({})
    check_launcher_options({"hydra.launcher.workers": 2, "hydra.launcher.mem_gb": 1.5, "hydra.launcher.comment": 3})


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("workers", 0, "an integer ≥ 1 or null"),
        ("per_gpu", "two", "an integer ≥ 1"),
        ("gpus_per_node", -1, "an integer ≥ 0 or null"),
        ("mem_gb", 0, "a number > 0 or null"),
        ("partition", "", "a name or null"),
        ("nodes", 2, "1, as a run is one process"),
    ],
)
def test_a_value_out_of_range_is_answered_in_one_line(key, value, accepted):
    with pytest.raises(BadInput) as caught:
        check_launcher_options({f"hydra.launcher.{key}": value})
    assert str(caught.value).startswith(f"hydra.launcher.{key}=")
    assert str(caught.value).endswith(f" is not accepted; accepted: {accepted}")

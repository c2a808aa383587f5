"""Any override gives a valid typed configuration or one error in one line, and so does any word."""

import json
import random

from hypothesis import given
from hypothesis import strategies as some

from experiments.configuration.arguments import arranged, settings_of
from experiments.configuration.options import in_range
from experiments.configuration.schema import Config, validate
from experiments.errors import BadInput
from tests.faults.fuzzing import outcome, random_overrides
from tests.faults.properties import BOUNDED


def test_any_override_gives_a_valid_configuration_or_one_error():
    chance = random.Random(0)
    kinds = set()
    for _ in range(120):
        task, overrides = random_overrides(chance)
        found = outcome(task, overrides)
        kinds.add(isinstance(found, Config))
        if isinstance(found, Config):
            assert validate(found) is found
            assert in_range({key: value for key, value in found.model_dump().items() if key != "seed"}), overrides
            json.dumps(found.model_dump(), allow_nan=False)
        else:
            assert "\n" not in str(found) and len(str(found)) < 3000, overrides
    assert kinds == {True, False}


@BOUNDED
@given(some.lists(some.text(max_size=12) | some.sampled_from(["-m", "-c", "job", "--info", "a=1", "--cfg=all"])))
def test_any_words_are_arranged_or_answered_in_one_line(words):
    try:
        found = arranged(words)
    except BadInput as error:
        assert str(error)
        return
    settings = settings_of(found)
    assert found[len(found) - len(settings) :] == settings
    assert arranged(found) == found

"""When memory counts as grown."""

import pytest

from scripts.check_memory import LIMIT, growth


def test_a_leak_is_noticed_and_a_single_reading_is_not():
    assert growth([350, 380, 400, *[400] * 47]) == 0
    assert growth([350, 380, 400, *[400 + 0.1 * run for run in range(47)]]) > LIMIT
    assert growth([350, 380, 400, *[400] * 46, 410]) == 0
    assert growth([350, 380, 400, *[400] * 40, *[408] * 7]) == pytest.approx(0.02)

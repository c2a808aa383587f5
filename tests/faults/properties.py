"""How many examples a property is tried with: few and the same ones every time, so that the suite stays quick."""

from hypothesis import HealthCheck, settings

BOUNDED = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = settings(BOUNDED, max_examples=40)
"""Where one example takes long."""

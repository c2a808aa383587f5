"""The runs that a run is compared with at its end: same setting, same seed, another activation."""

from pathlib import Path

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.training.console import BASELINE


def differences(ledger: Path, run_id: str) -> dict[str, float]:
    """The headline of a run minus that of its counterparts, by their activation's label, in the headline's unit.

    The counterpart is the run of the baseline; for a run of the baseline it is each other activation. Empty where the
    ledger has none, or cannot be read.
    """
    try:
        runs = read_evidence(ledger).runs
    except BadInput:
        return {}
    own = next((run for run in runs if run.run_id == run_id), None)
    if own is None or own.value is None:
        return {}
    return {
        run.act: own.value - run.value
        for run in runs
        if (run.setting, run.seed, run.metric) == (own.setting, own.seed, own.metric)
        and run.value is not None
        and (run.act != BASELINE if own.act == BASELINE else run.act == BASELINE)
    }

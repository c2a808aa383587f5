"""A Slurm for the tests of sweeps, and a pool without fresh interpreters."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from experiments.sweep import pool
from tests import forked


@pytest.fixture
def forked_jobs(monkeypatch):
    """A pool of a forked command forks its jobs as well; one test in test_coordinator.py has the real processes."""
    stand_in = SimpleNamespace(Popen=forked.PoolJob, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(pool, "subprocess", stand_in)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm of three scripts: `sbatch` starts each job of an array at once, as `srun` would on its node."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    scripts = {
        "sbatch": f"""
            cp "${{@: -1}}" {folder}/submitted.sh
            last=$(sed -n 's/.*--array=0-\\([0-9]*\\).*/\\1/p' {folder}/submitted.sh)
            export SLURM_ARRAY_JOB_ID=9 SLURM_PROCID=0
            for task in $(seq 0 $last); do
                SLURM_JOB_ID=$((10 + task)) SLURM_ARRAY_TASK_ID=$task bash {folder}/submitted.sh > /dev/null 2>&1 &
            done
            echo Submitted batch job 9""",
        "srun": """
            while [[ "$1" == -* ]]; do [[ "$1" == --output || "$1" == --error ]] && shift; shift; done
            exec "$@" """,
        "sacct": "echo 'JobID|State|NodeList'; for task in 0 1; do echo \"9_$task|RUNNING|here\"; done",
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "submitted.sh"

"""A sweep: the coordinator, which hands the jobs to Hydra, the pool that runs them in parallel, and their record.

`adaptive` adds seeds until its comparisons are decided. Hydra's sweeper and launcher decide which job starts where.
With any launcher, each job records its outcome in the sweep's folder, where the coordinator reads it. May import
everything but benchmarking.
"""

import sys
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"
"""This project's part of the namespace package `hydra_plugins`, the only one from which Hydra takes plugins."""

if str(PLUGINS) not in sys.path:
    sys.path.append(str(PLUGINS))

from hydra.core.plugins import Plugins  # noqa: E402
from hydra_plugins.carelu_pool import PoolLauncher  # noqa: E402
from hydra_plugins.carelu_verdict import VerdictSweeper  # noqa: E402

for plugin in (PoolLauncher, VerdictSweeper):  # Hydra may have searched for plugins before this folder was on the path
    Plugins.instance().register(plugin)

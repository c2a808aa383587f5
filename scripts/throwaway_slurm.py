"""A real Slurm of one node in a folder of its own, for `slurm_check.py`: Debian's daemons, started and ended here.

Nothing is written outside the folder, and a Slurm that this machine may have is left alone.
"""

import contextlib
import getpass
import os
import platform
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from experiments.errors import BadInput

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "sinfo")
FOR_ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr", "sacct")

LOW, HIGH = "low", "high"
"""The partitions; a job of the second pre-empts one of the first."""

_SECONDS = 60
"""How long a daemon may take to be ready."""

_CONTROLLER = """\
ClusterName=check
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MinJobAge=7200
KillWait=60
ReturnToService=2
{accounting}
NodeName={host} NodeAddr=127.0.0.1 CPUs=1 RealMemory=2000 State=UNKNOWN
PartitionName={low} Nodes={host} Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName={high} Nodes={host} PriorityTier=10 PreemptMode=OFF
"""

_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database}
AccountingStorageUser={user}
AccountingStoragePass={folder}/munge.socket
"""

_DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={database}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadb}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_accounting
"""


class Slurm(contextlib.AbstractContextManager["Slurm"]):
    """The daemons; as a context manager they run until its end.

    Args:
        folder: made, and used for everything.

    Raises:
        BadInput: Slurm is not installed, or a daemon does not start.
    """

    def __init__(self, folder: Path):
        self._path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
        missing = [name for name in NEEDED if not self._found(name)]
        if missing:
            raise BadInput(
                f"no {' and no '.join(missing)} on this machine, so there is no Slurm to check; "
                "install it, on Debian with: apt-get install slurm-wlm munge"
            )
        self.accounting = all(self._found(name) for name in FOR_ACCOUNTING)
        self.folder = folder
        self.environment = {**os.environ, "PATH": self._path, "SLURM_CONF": str(folder / "slurm.conf")}
        self._values = {
            "folder": folder,
            "low": LOW,
            "high": HIGH,
            "host": platform.node().split(".")[0],
            "user": getpass.getuser(),
            "password": secrets.token_hex(8),
            **dict(zip(("controller", "node", "database", "mariadb"), _free_ports(4), strict=True)),
        }
        self._daemons: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> "Slurm":
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        try:
            self._start_munge()
            accounting = ""
            if self.accounting:
                self._start_accounting()
                accounting = _ACCOUNTING.format(**self._values)
            self._write("slurm.conf", _CONTROLLER.format(accounting=accounting, **self._values))
            if self.accounting:
                self._wait("slurmdbd", lambda: self._says("sacctmgr", "--immediate", "add", "cluster", "check"))
            self._start("slurmctld", "-D", "-i")
            self._start("slurmd", "-D", "-N", str(self._values["host"]))
            self._wait("slurmd", lambda: "idle" in self.call("sinfo", "--noheader", "--format=%T"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for _name, daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    @property
    def version(self) -> str:
        """What Slurm calls itself, like "slurm-wlm 22.05.8"."""
        return self.call("sinfo", "--version").strip()

    def call(self, *command: str) -> str:
        """What a command of Slurm prints.

        Raises:
            BadInput: it fails.
        """
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise BadInput(f"`{' '.join(command)}` failed: {' '.join(done.stderr.split())}")
        return done.stdout

    def _found(self, name: str) -> str | None:
        return shutil.which(name, path=self._path)

    def _says(self, *command: str) -> bool:
        return subprocess.run(command, env=self.environment, capture_output=True).returncode == 0

    def _write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            daemon = subprocess.Popen(
                [self._found(name), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the sweep; the daemons end after it
            )
        self._daemons.append((name, daemon))

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        """Waits until a daemon is ready.

        Raises:
            BadInput: it is not, or it has ended.
        """
        until = time.monotonic() + _SECONDS
        while True:
            with contextlib.suppress(BadInput):
                if ready():
                    return
            ended = [name for name, daemon in self._daemons if daemon.poll() is not None]
            if ended or time.monotonic() > until:
                log = self.folder / f"{(ended or [what])[0]}.log"
                said = " ".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else "nothing"
                raise BadInput(f"{(ended or [what])[0]} does not start; it said: {said}")
            time.sleep(0.2)

    def _start_munge(self) -> None:
        key, sock = self.folder / "munge.key", self.folder / "munge.socket"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        files = {"socket": sock, "key-file": key, "pid-file": self.folder / "munge.pid"}
        files |= {"log-file": self.folder / "munge.txt", "seed-file": self.folder / "munge.seed"}
        self._start("munged", "--foreground", "--force", *(f"--{option}={file}" for option, file in files.items()))
        self._wait("munged", sock.exists)

    def _start_accounting(self) -> None:
        """MariaDB without grants, then slurmdbd, as on a cluster where `sacct` answers."""
        data, sock = self.folder / "mariadb", self.folder / "mariadb.socket"
        subprocess.run(
            [
                self._found("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
            ],
            check=True,
            capture_output=True,
            env=self.environment,
        )
        self._start(
            "mariadbd",
            "--no-defaults",
            f"--user={self._values['user']}",
            f"--datadir={data}",
            f"--socket={sock}",
            f"--port={self._values['mariadb']}",
            "--bind-address=127.0.0.1",
            "--skip-grant-tables",
            "--skip-networking=0",
        )
        self._wait("mariadbd", sock.exists)
        self._write("slurmdbd.conf", _DATABASE.format(**self._values))
        self._start("slurmdbd", "-D")


def _free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]

"""What a real offline run of W&B wrote, read back from its files."""

import json
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

from wandb.proto import wandb_internal_pb2

BLOCK = 32768
HEADER = 7

OF_THE_CLOCK = ("_timestamp", "_runtime", "_wandb")
"""What W&B adds to each run."""


@dataclass
class OfflineRun:
    """One offline run: its own record, and values by key ("set5/psnr_y"; nested ones as dicts)."""

    folder: Path
    run: wandb_internal_pb2.RunRecord
    config: dict[str, object]
    history: list[dict[str, object]] = field(default_factory=list)
    summary: dict[str, object] = field(default_factory=dict)
    step_metrics: dict[str, str] = field(default_factory=dict)

    def file(self, media: dict[str, object]) -> Path:
        """The file of a picture or table that history or summary names."""
        return self.folder / "files" / media["path"]

    def table(self, key: str) -> list[dict[str, object]]:
        """The rows of a table that the summary names."""
        content = json.loads(self.file(self.summary[key]).read_text())
        return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def offline_runs(folder: Path) -> list[OfflineRun]:
    """The offline runs that W&B keeps in `folder`/wandb, oldest first."""
    return [_read(file) for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]


def _read(file: Path) -> OfflineRun:
    records = _whole(file)
    (run,) = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update if item.key != "_wandb"}
    offline = OfflineRun(file.parent, run, config)
    for record in records:
        kind = record.WhichOneof("record_type")
        if kind == "history":
            offline.history.append(_values(record.history.item))
        elif kind == "summary":
            _put(offline.summary, record.summary.update)
        elif kind == "metric" and record.metric.step_metric:
            offline.step_metrics[record.metric.glob_name or record.metric.name] = record.metric.step_metric
    for values in (offline.summary, *offline.history):
        for key in OF_THE_CLOCK:
            values.pop(key, None)
    return offline


def _whole(file: Path) -> list[wandb_internal_pb2.Record]:
    """The records of a run that ended; W&B's own process may still be writing them when `finish` returns."""
    deadline = time.monotonic() + 30
    while True:
        records = _records(file.read_bytes())
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        assert time.monotonic() < deadline, f"{file} never got its end"
        time.sleep(0.02)


def _values(items) -> dict[str, object]:
    values = {}
    _put(values, items)
    return values


def _put(values: dict[str, object], items) -> None:
    for item in items:
        *parents, last = item.nested_key or [item.key]
        target = values
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = json.loads(item.value_json)


def _records(content: bytes) -> list[wandb_internal_pb2.Record]:
    """A LevelDB log of protobuf records, after seven bytes that name the format."""
    place, parts, records = HEADER, [], []
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # a record never starts in the last bytes of a block
            place += BLOCK - place % BLOCK
            continue
        _checksum, length, kind = struct.unpack_from("<IHB", content, place)
        parts.append(content[place + HEADER : place + HEADER + length])
        place += HEADER + length
        if place > len(content):
            break  # still being written
        if kind in (1, 4):  # whole, or the last of several parts
            records.append(wandb_internal_pb2.Record.FromString(b"".join(parts)))
            parts = []
    return records

"""What is written comes back the same: any text through the printed command, any row through the ledger."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as some
from omegaconf import OmegaConf

from experiments.configuration.composition import compose_with_hydra, literal
from experiments.record import ledger
from experiments.record.row import Row
from tests.experiments.ledgers import row as made_row
from tests.faults.properties import BOUNDED

TEXTS = some.text() | some.text("~\\'\"${}:=,[]()@?! ä\n\t%#*+-.0aeEnulx", max_size=8)
"""Any text, and short ones of the characters that mean something to Hydra, OmegaConf or the shell."""

VALUES = some.recursive(
    TEXTS | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.booleans() | some.none(),
    lambda inner: some.lists(inner, max_size=3),
    max_leaves=4,
)


def as_hydra_reads(line: str) -> tuple[object, str]:
    """The value of `x=…`, and how a sweep would hand it to one of its runs."""
    override = OverridesParser.create().parse_override(line)
    cfg = OmegaConf.create({"x": None})
    OmegaConf.update(cfg, "x", override.value())
    return OmegaConf.to_container(cfg, resolve=True)["x"], f"x={override.get_value_element_as_str()}"


@BOUNDED
@given(VALUES)
@example("\\\n")
@example("${oc.env:HOME}")
@example("~/ü\\")
def test_every_value_comes_back_from_the_command_that_is_printed(value):
    (line,) = shlex.split(shlex.join([f"x={literal(value)}"]))
    read, handed_on = as_hydra_reads(line)
    assert (read, type(read)) == (value, type(value))
    if not isinstance(value, list):
        assert as_hydra_reads(handed_on)[0] == value


@pytest.mark.parametrize("name", ["ü ~x", "a\\b", "it's ${x}", "a,b=c"])
def test_a_sweep_may_be_anywhere(name):
    folder = f"/tmp/{name}"
    cfg = compose_with_hydra([f"hydra.sweep.dir={literal(folder)}", f"output_root={literal(folder)}"])
    assert (cfg.hydra.sweep.dir, cfg.output_root) == (folder, folder)


@BOUNDED
@given(some.lists(some.text(max_size=30), min_size=3, max_size=3), some.dictionaries(some.text(max_size=5), TEXTS))
@example(["a\u2028b\x1c\x85", "\r\n\"'", "\ufeff"], {})
def test_every_row_comes_back_from_the_ledger(tmp_path_factory, texts, overrides):
    file = tmp_path_factory.getbasetemp() / "rows" / "ledger.csv"
    file.parent.mkdir(exist_ok=True)
    texts = ["".join(c for c in text if c not in "\0\N{REPLACEMENT CHARACTER}") for text in texts]
    command, commit, processor = texts
    result = made_row(command=command, git_commit=commit, processor=processor)
    wanted = Row.from_result({**result, "overrides": overrides})
    ledger.write(file, [wanted])
    rows, problems = ledger.read(file)
    assert (rows, problems) == ([wanted], [])

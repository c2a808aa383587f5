"""Replaces the activations of a model of the zoo, and checks that the result is whole, sound and usable as before."""

import copy
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import nn

from carelu import CAReLU, replace_activations, verify
from carelu.replacement import Report
from carelu.surgery.passes import call, difference, results
from experiments.benchmarking.zoo import Entry

GOOD = ("yes", "–", "not tried")
"""How a column begins where nothing is wrong: checked, nothing to check, or left out on request."""


@dataclass(frozen=True)
class Row:
    """What was found for one model; the last columns say "yes", "–" (does not apply) or what is wrong.

    Attributes:
        model: its name.
        sites: how many activations were replaced.
        kinds: what stood there.
        over: what competes now, and at how many sites.
        whole: "yes" if all activations that the model calls are new ones; then how many it holds and never calls.
        verified: `carelu.verify` passes.
        trains: two steps of SGD change every activation's parameters, and all stays finite.
        reloads: the state dict goes into a second model, which gives the same results.
        exports: `torch.export` accepts it and the program agrees; "–" if the original is not accepted either;
            "not tried" with `--no-export`.
        causal: earlier results do not move when the last token changes.
        padding: masked padding changes nothing.
    """

    model: str
    sites: int
    kinds: str
    over: str
    whole: str
    verified: str
    trains: str
    reloads: str
    exports: str
    causal: str
    padding: str

    @property
    def ok(self) -> bool:
        """Whether every check of the row passed."""
        return all(getattr(self, each.name).startswith(GOOD) for each in fields(self)[4:])


def check(entry: Entry, *, export: bool = True) -> Row:
    """Replaces the activations of a model and checks the result; a failure of any step is a row that says so."""
    try:
        return _checked(entry, export)
    except Exception as error:  # building and replacing fail in as many ways as there are models
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return Row(entry.name, 0, "", "", reason, *["–"] * 6)


def _checked(entry: Entry, export: bool) -> Row:
    original, inputs = _built(entry), entry.inputs()
    model = copy.deepcopy(original)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = replace_activations(model, example_inputs=inputs)
    idle = [site for site in report.sites if site.calls == 0]
    given = [str(each.message) for each in caught if str(each.message) in report.warnings]
    unexpected = [sentence for sentence in given if "do not reach" not in sentence]
    replaced = [site for site in report.sites if site.replaced]
    return Row(
        model=entry.name,
        sites=len(report),
        kinds=_counted(site.before for site in replaced),
        over=_counted(str(site.over) for site in replaced),
        whole="; ".join(unexpected) or _whole(model, inputs, len(idle)),
        verified=_tried(lambda: verify(model, inputs, batch_dim=entry.batch_dim)),
        reloads=_tried(lambda: _reload(entry, model, inputs)),
        exports=_exports(original, model, inputs) if export else "not tried",
        causal=_tried(lambda: _look_ahead(model, inputs)) if entry.text == "decoder" else "–",
        padding=_tried(lambda: _pad(model, inputs)) if entry.text else "–",
        trains=_tried(lambda: _train(model, report, inputs)),
    )


def _built(entry: Entry) -> nn.Module:
    torch.manual_seed(0)
    return entry.build().eval()


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in Counter(words).items())


def _tried(step) -> str:
    try:
        step()
    except Exception as error:  # the table says what is wrong with one model and goes on to the next
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return "yes"


def _whole(model: nn.Module, inputs: object, idle: int) -> str:
    """Looks for activations once more: all that is called must be a new one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = replace_activations(model, example_inputs=inputs, dry_run=True)
    left = [site.name for site in again.sites if site.note != "kept" and site.calls != 0]
    if left:
        return f"{len(left)} left: {', '.join(left[:3])}"
    return f"yes ({idle} never called)" if idle else "yes"


def _expect_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float = 1e-4) -> None:
    apart = difference(one, other)
    if apart is None or apart[0] > tolerance:
        raise ValueError(f"results differ by {apart and apart[0]}")


def _reload(entry: Entry, model: nn.Module, inputs: object) -> None:
    other = _built(entry)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replace_activations(other, "carelu_sign", example_inputs=inputs)
    other.load_state_dict(model.state_dict())
    _expect_equal(_evaluated(model, inputs), _evaluated(other, inputs))


def _evaluated(model: nn.Module, inputs: object) -> dict[str, torch.Tensor]:
    return results(model, inputs, training=False, gradients=False)


def _exports(original: nn.Module, model: nn.Module, inputs: object) -> str:
    outcome = _tried(lambda: _export(model, inputs))
    if outcome != "yes" and _tried(lambda: _export(original, inputs)) != "yes":
        return "–"
    return outcome


def _export(model: nn.Module, inputs: object) -> None:
    args, kwargs = ((), dict(inputs)) if isinstance(inputs, dict) else ((inputs,), {})
    args = inputs if isinstance(inputs, tuple) else args
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(model.eval(), args, kwargs).module()
    with torch.no_grad():
        one, other = call(model, inputs), program(*args, **kwargs)
    firsts = [next(value for value in _flat(each) if value.is_floating_point()) for each in (one, other)]
    _expect_equal({"result": firsts[0]}, {"result": firsts[1]})


def _flat(value: object) -> list[torch.Tensor]:
    from carelu.surgery.channels import tensors_in

    return list(tensors_in(value if isinstance(value, torch.Tensor | tuple | list) else dict(value)))  # type: ignore[call-overload]


def _sensitive(model: nn.Module) -> nn.Module:
    """A copy whose scales depend on the input and change their sign."""
    other = copy.deepcopy(model).eval()
    with torch.no_grad():
        for module in other.modules():
            if isinstance(module, CAReLU):
                module.alpha.fill_(2.0)
                module.beta.fill_(-0.5)
    return other


@torch.no_grad()
def _first_result(model: nn.Module, **inputs: torch.Tensor) -> torch.Tensor:
    return _flat(model(**inputs, use_cache=False) if "use_cache" in inputs else model(**inputs))[0]


def _look_ahead(model: nn.Module, inputs: dict[str, torch.Tensor]) -> None:
    other, ids = _sensitive(model), inputs["input_ids"].clone()
    before = _first_result(other, input_ids=ids)
    ids[:, -1] = (ids[:, -1] + 1).clamp_max(ids.max())
    ids[:, -1] = torch.where(ids[:, -1] == inputs["input_ids"][:, -1], ids[:, -1] - 1, ids[:, -1])
    after = _first_result(other, input_ids=ids)
    if torch.equal(before[:, -1], after[:, -1]):
        raise ValueError("changing the last token changes nothing, so the check says nothing")
    _expect_equal({"earlier": before[:, :-1]}, {"earlier": after[:, :-1]})


def _pad(model: nn.Module, inputs: dict[str, torch.Tensor]) -> None:
    other, ids = _sensitive(model), inputs["input_ids"]
    length = ids.shape[1]
    padded = torch.cat([ids, torch.zeros_like(ids[:, :3])], dim=1)
    mask = torch.cat([torch.ones_like(ids), torch.zeros_like(ids[:, :3])], dim=1)
    plain = _first_result(other, input_ids=ids, attention_mask=torch.ones_like(ids))
    with_padding = _first_result(other, input_ids=padded, attention_mask=mask)
    _expect_equal({"tokens": plain}, {"tokens": with_padding[:, :length]})


def _train(model: nn.Module, report: Report, inputs: object) -> None:
    """Two steps of SGD towards 1 in all results; towards 0 a model whose last layer starts at 0 would stand still."""
    model.train()
    learned = {f"{name}.{key}": value for name in report for key, value in model.get_submodule(name).named_parameters()}
    before = {name: value.detach().clone() for name, value in learned.items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):
        outputs = [each for each in _flat_of(call(model, inputs)) if each.requires_grad]
        loss = torch.stack([(each - 1).square().mean() for each in outputs]).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    idle = [name for name, value in learned.items() if value.grad is None]
    broken = [name for name, value in model.named_parameters() if not value.isfinite().all()]
    still = not any(bool((value != before[name]).any()) for name, value in learned.items())
    if idle or broken or still:
        raise ValueError(f"no gradient: {idle[:3]}; not finite: {broken[:3]}; nothing moved: {still}")


def _flat_of(value: object) -> list[torch.Tensor]:
    return [each for each in _flat(value) if each.is_floating_point()]


def table(rows: list[Row], versions: str) -> str:
    """The page with all rows, in Markdown."""
    whole = sum(row.ok for row in rows)
    head = [each.name for each in fields(Row)]
    lines = [
        "# Models whose activations were replaced",
        "",
        f"`python scripts/check_models.py` made this page with {versions}. Weights are random and inputs are small. "
        f"{whole} of {len(rows)} models pass every check.",
        "",
        "Columns: *whole*: every activation that the model calls is a new one; *verified*: `carelu.verify` passes; "
        "*trains*: two steps of SGD; *reloads*: the state dict in a second model gives the same results; *exports*: "
        "with `torch.export`, where the original does; *causal*: earlier logits do not move when the last token "
        "changes; *padding*: masked padding changes nothing. A dash: does not apply. *not tried*: left out with "
        "`--no-export`.",
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join('---:' if name == 'sites' else '---' for name in head)} |",
    ]
    cells = ([str(getattr(row, name)).replace("|", "\\|") for name in head] for row in rows)
    return "\n".join([*lines, *(f"| {' | '.join(each)} |" for each in cells), ""])

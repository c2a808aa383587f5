"""A page of the guide for each registered activation: formula, response, options, citation and measured cost.

Sources: the first line of each class (formula in words, citation), the registry (defaults), configs/act (meaning of
options), and the published benchmarks (cost). Only LaTeX formulas and links to papers outside arXiv are kept here.
"""

import csv
import inspect
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from carelu import activation_names, activation_options, create_activation
from experiments.configuration import composition
from experiments.report.figures.activation import activation_plot

FORMULAS = {
    "relu": r"y = \max(z, 0)",
    "leaky_relu": r"y = \max(z, 0) + a \min(z, 0), \qquad a = \text{negative slope}",
    "prelu": r"y = \max(z, 0) + a \min(z, 0), \qquad a \text{ learned, one a channel}",
    "elu": r"y = \begin{cases} z & z > 0 \\ a\,(e^{z} - 1) & z \le 0 \end{cases} \qquad a = \text{alpha}",
    "selu": r"y = \lambda \begin{cases} z & z > 0 \\ a\,(e^{z} - 1) & z \le 0 \end{cases}"
    r" \qquad \lambda \approx 1.0507,\; a \approx 1.6733",
    "gelu": r"y = z\,\Phi(z), \qquad \Phi \text{ the standard normal distribution function}",
    "swish": r"y = \frac{z}{1 + e^{-z}}",
    "mish": r"y = z \tanh(\ln(1 + e^{z}))",
    "carelu": r"y = \max(0,\, s\, z), \qquad s = K \tanh(\alpha\, p + \beta)",
}
"""LaTeX by name; for others the first line of the class is shown."""

SHARES = {
    "energy": r"p = \frac{\sum_j \max(z_j, 0)^2}{\lVert z \rVert_2^2 + \varepsilon}",
    "l1": r"p = \frac{\sum_j \max(z_j, 0)}{\lVert z \rVert_1 + \varepsilon}",
    "count": r"p = \frac{1}{d} \sum_j \mathbf{1}[z_j > 0]",
}
"""The share p of the positive values as LaTeX, by the option `competition`."""

OURS = (
    "From the paper's abstract and public summaries: the scale and the energy share. Our own choices: the formulas of "
    "the L1 and the count share (the sources name them without a formula), K, ε, the start of α and β, `over`, and "
    "`competition_input=pre_norm`."
)

LINKS = {
    "ICML 2010": "https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf",
    "ICML 2013": "https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
}
"""Links to papers outside arXiv, by the end of the citation."""


@dataclass(frozen=True)
class Choice:
    """A file of configs/act.

    Args:
        word: the option of `act=`.
        meaning: its first line.
        options: the values that it sets.
        comments: the comment of each option.
    """

    word: str
    meaning: str
    options: dict[str, object]
    comments: dict[str, str]


@dataclass(frozen=True)
class Cost:
    """Time of forward and backward over ReLU's, geometric mean over shapes."""

    device: str
    precision: str
    layout: str
    word: str
    kernel: str
    ratio: float


def choices(name: str) -> list[Choice]:
    """The options of `act` that choose the activation `name`, the one of that name first."""
    found = []
    for word, options in composition.activation_files(name).items():
        text = composition.option_file("act", word).read_text(encoding="utf-8")
        comments = dict(re.findall(r"^  (\w+):.*?# (.+)$", text, re.MULTILINE))
        found.append(Choice(word, composition.options_of("act")[word], options, comments))
    return found


def costs(folder: Path, words: set[str]) -> list[Cost]:
    """The benchmarks of activations on the shapes of ResNet-18, from `folder`/*.csv."""
    ratios = defaultdict(list)
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row.get("network") == "resnet18" and row.get("direction") == "both" and row["activation"] in words:
                    key = (row["device"], row["dtype"], row["layout"], row["activation"], row["kernel"])
                    ratios[key].append(float(row["relu_ratio"]))
    return [Cost(*key, math.exp(sum(map(math.log, found)) / len(found))) for key, found in ratios.items()]


def pages(benchmarks: Path) -> dict[str, bytes]:
    """Content by file name: a page and its pictures for each activation, and `index.md`, which lists them."""
    files, listed = {}, []
    for name in activation_names():
        words, citation = described(name)
        page, pictures = _page(name, words, citation, costs(benchmarks, {name, *(c.word for c in choices(name))}))
        files |= {f"{name}.md": page.encode(), **pictures}
        listed.append(f"| [`{name}`]({name}.md) | {words} | {_linked(citation)} |")
    index = ["# Activations", "", _GENERATED, "", "| name | y | source |", "| --- | --- | --- |", *listed, ""]
    return files | {"index.md": "\n".join(index).encode()}


def described(name: str) -> tuple[str, str]:
    """(formula in words, citation) of an activation: the first line of its class, cut at the first full stop."""
    line = (inspect.getdoc(type(create_activation(name))) or "").partition("\n")[0]
    words, _, citation = line.partition(". ")
    return words.rstrip("."), citation.rstrip(".")


_GENERATED = "Made from the registry by `python scripts/make_docs.py`."


def _page(name: str, words: str, citation: str, measured: list[Cost]) -> tuple[str, dict[str, bytes]]:
    parts, pictures = [f"# {name}", ""], {}
    parts += [*_formula(FORMULAS[name]), ""] if name in FORMULAS else [f"y = {words}", ""]
    if "competition" in activation_options(name):
        for competition, share in SHARES.items():
            parts += [f"`competition={competition}`:", "", *_formula(share), ""]
        parts += [OURS, ""]
    parts += [f"Source: {_linked(citation)}." if citation else "No source is given.", ""]
    parts += ["## Options", "", *_options(name), ""]
    parts += ["## Response at the start", ""]
    for choice in choices(name):
        options = {**activation_options(name), **choice.options}
        pictures[f"{choice.word}.svg"] = activation_plot(create_activation(name, **options))
        parts += [
            f"`act={choice.word}`: {choice.meaning}.",
            "",
            f"![y and its derivative over z]({choice.word}.svg)",
            "",
        ]
    if not choices(name):
        pictures[f"{name}.svg"] = activation_plot(create_activation(name))
        parts += [_picture(name), ""]
    if "competition" in activation_options(name):
        parts += [
            "One curve for each share p of the positive values; the derivative is that at a fixed p. "
            "Where α starts at 0 the scale does not depend on p, and the curves coincide.",
            "",
        ]
    parts += ["## Measured cost", "", *_cost(measured), "", _GENERATED, ""]
    return "\n".join(parts), pictures


def _formula(latex: str) -> list[str]:
    return ["```math", latex, "```"]


def _picture(stem: str) -> str:
    return f"![y and its derivative over z]({stem}.svg)"


def _options(name: str) -> list[str]:
    defaults = activation_options(name)
    if not defaults:
        return ["It has none."]
    comments = {key: said for choice in choices(name) for key, said in choice.comments.items()}
    rows = [f"| `{key}` | `{_written(value)}` | {comments.get(key, '')} |" for key, value in defaults.items()]
    return [
        f"On the command line `act.options.{next(iter(defaults))}=…`, in Python a keyword of `create_activation`.",
        "",
        "| option | default | meaning |",
        "| --- | --- | --- |",
        *rows,
    ]


def _cost(measured: list[Cost]) -> list[str]:
    if not measured:
        return ["Not measured yet: `python scripts/benchmark_activations.py`."]
    rows = [
        f"| `{c.word}` | {c.device} | {c.precision} | {c.layout} | {c.kernel or 'torch'} | {c.ratio:.2f} |"
        for c in measured
    ]
    return [
        "Time of forward and backward over that of ReLU, geometric mean of the shapes of ResNet-18 at batch size 128, "
        "from `results/benchmarks`, made by `python scripts/benchmark_activations.py`.",
        "",
        "| `act=` | device | precision | layout | kernel | time / ReLU's |",
        "| --- | --- | --- | --- | --- | ---: |",
        *rows,
    ]


def _linked(citation: str) -> str:
    """`citation` with its arXiv number, or the paper that LINKS knows, as a link."""
    if number := re.search(r"arXiv (\d{4}\.\d{5})", citation):
        return citation.replace(number[0], f"[{number[0]}](https://arxiv.org/abs/{number[1]})")
    link = next((link for ending, link in LINKS.items() if citation.endswith(ending)), None)
    return f"[{citation}]({link})" if link else citation


def _written(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"

"""Turns a ```math block of a docs page into MathML, which browsers render without scripts."""

from latex2mathml.converter import convert


def fence(source: str, language: str, css_class: str, options: dict, md: object, **attributes: object) -> str:
    """The formula `source` (LaTeX) as HTML; called by pymdownx.superfences as the format of a custom fence."""
    return f'<div class="formula">{convert(source, display="block")}</div>'

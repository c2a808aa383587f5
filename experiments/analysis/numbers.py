"""Numbers as a table prints them. A missing value is a dash."""

ABSENT = "–"


def fixed(value: float | None, decimals: int, signed: bool = False) -> str:
    """`value` with fixed decimals and a typographic minus sign; zero has no sign."""
    if value is None:
        return ABSENT
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def interval(low: float | None, high: float | None, decimals: int, signed: bool = False) -> str:
    """[low, high]."""
    if low is None or high is None:
        return ABSENT
    return f"[{fixed(low, decimals, signed)}, {fixed(high, decimals, signed)}]"


def with_deviation(mean: float | None, deviation: float | None, decimals: int) -> str:
    """Mean ± standard deviation, or the mean alone."""
    return fixed(mean, decimals) + ("" if deviation is None else f" ± {fixed(deviation, decimals)}")


def percent(share: float | None) -> str:
    """A share in percent, without the sign, to about two digits: 0.03, 1.8, 23."""
    if not share:
        return ABSENT if share is None else "0"
    value = 100 * share
    return fixed(value, 0 if value >= 10 else 1 if value >= 1 else 2)


def p_text(p_value: float | None) -> str:
    """A p-value to three decimals."""
    if p_value is None:
        return ABSENT
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_equation(p_value: float) -> str:
    """`p = 0.031` or `p < 0.001`, for a sentence."""
    text = p_text(p_value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def plural(count: int, noun: str) -> str:
    """1 run, 2 runs."""
    return f"{count} {noun}{'' if count == 1 else 's'}"

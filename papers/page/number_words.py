"""Numbers as people read them: few digits, an error with two, powers of ten for the very small and the very large."""

import math

SMALL, LARGE = 1e-3, 1e6
MOST_DECIMALS = 7
NONE = "–"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(value: float | None, digits: int = 5) -> str:
    """A number with so many digits at most.

    >>> number(4.0), number(-0.25), number(2e-7), number(1e-137, 1), number(None), number(12000)
    ('4', '−0.25', '2·10⁻⁷', '10⁻¹³⁷', '–', '12000')
    """
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == 0 or SMALL <= abs(value) < LARGE:
        text = f"{value:.{digits}g}"
        return signed(text if "e" not in text else f"{value:.0f}")
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return signed({"1": power, "-1": f"-{power}"}.get(mantissa, f"{mantissa}·{power}"))


def measured(mean: float, error: float) -> str:
    """A mean with its error, to the error's second digit.

    >>> measured(4.95473, 0.00141), measured(2.5, 3.4e-8), measured(1.0, 0.0), measured(1.1835e-137, 1.21e-137)
    ('4.9547 ± 0.0014', '2.5 ± 3.4·10⁻⁸', '1 ± 0', '1.2·10⁻¹³⁷ ± 1.2·10⁻¹³⁷')
    """
    if not 0 < error < math.inf:
        return f"{number(mean, 8)} ± {number(error, 2)}"
    decimals = 1 - math.floor(math.log10(error))
    if decimals > MOST_DECIMALS or abs(mean) >= LARGE:
        digits = decimals + 1 + math.floor(math.log10(abs(mean))) if mean else 1
        return f"{number(mean, min(max(2, digits), 8))} ± {number(error, 2)}"
    decimals = max(0, decimals)
    return f"{signed(f'{mean:.{decimals}f}')} ± {error:.{decimals}f}"


def between(low: float, high: float) -> str:
    """An interval, to the second digit of its width.

    >>> between(3.98952, 4.00931), between(2.5 - 2e-11, 2.5 + 2e-11), between(-math.inf, 1.0)
    ('3.990 … 4.009', '2.5 ± 2·10⁻¹¹', '−∞ … 1')
    """
    width = high - low
    if width == 0:
        return number(low, 8)
    decimals = 1 - math.floor(math.log10(width)) if 0 < width < math.inf else 0
    if decimals > MOST_DECIMALS and max(abs(low), abs(high)) > SMALL:
        return f"{number((low + high) / 2, 8)} ± {number(width / 2, 2)}"
    if not 0 < decimals <= MOST_DECIMALS:
        return f"{number(low)} … {number(high)}"
    return f"{signed(f'{low:.{decimals}f}')} … {signed(f'{high:.{decimals}f}')}"


def percent(share: float) -> str:
    """A share in percent with three digits, or as a power of ten where it is tiny.

    >>> percent(0.29741), percent(1.0), percent(1e-9)
    ('29.7%', '100%', '10⁻⁷%')
    """
    return f"{number(100 * share, 3)}%"


def signed(text: str) -> str:
    """With a minus sign for the hyphen in front."""
    return text.replace("-", "−", 1) if text.startswith("-") else text

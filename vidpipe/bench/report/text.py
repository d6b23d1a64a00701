"""How figures are written, the same in the terminal and on the page; what is undefined is a dash."""

from __future__ import annotations

from vidpipe.bench.figures import Part, Spread

UNDEFINED = "-"


def number(value: float | None, decimals: int = 3) -> str:
    """With so many decimals, and a comma at thousands."""
    return UNDEFINED if value is None else f"{value:,.{decimals}f}"


def interval(low: float | None, high: float | None, decimals: int = 3) -> str:
    """ "0.921 to 0.960"."""
    return UNDEFINED if low is None or high is None else f"{low:.{decimals}f} to {high:.{decimals}f}"


def spread(value: Spread, decimals: int = 3) -> str:
    """ "0.312 ±4 %": the median, and what it may be off by."""
    return f"{number(value.median, decimals)} {give(value)}".rstrip()


def give(value: Spread) -> str:
    """ "±4 %": half of what the repeats differ by; nothing where they do not, as when there was but one."""
    if value.high == value.low or not value.median:
        return ""
    return f"±{50 * (value.high - value.low) / value.median:.0f} %"


def share(part: float, whole: float) -> str:
    """ "12 %", with a decimal under ten, and never rounded to nothing or to all."""
    if not whole:
        return UNDEFINED
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %" if 0 < percent < 10 or 99.5 <= percent < 100 else f"{percent:.0f} %"


def stretch(part: Part) -> str:
    """ "frames 318 to 794 (31.8 to 79.5 s)"."""
    return f"frames {part.start} to {part.stop - 1} ({part.start_s:.1f} to {part.end_s:.1f} s)"

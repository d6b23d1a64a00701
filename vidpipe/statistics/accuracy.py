"""How accurate the answers of a stream are as a whole, from audits of a random few of them.

Frames are parted by the stage that answered them. Of those that the last stage looked at, accuracy is known exactly: of
its own answers it is 1. Of the others a random sample of each stage was audited: a stratified sample, of which the
accuracy is a ratio of totals (Cochran 1977, 6.11), such as F1 = 2 pairs / boxes.

The interval (95 %) is made of two things, and the wider one counts at either end:

- What the audits differ by. The variance of the ratio is that of its residuals d = x - r y within each stage, and the
  interval is Clopper and Pearson's for a rate of that variance, wider by Student's t where audits are few (Korn and
  Graubard 1998). Where errors are rare, a sample mostly has fewer of them and sometimes many more, which an interval of
  the same width to both sides would not cover.
- What no audit has shown. With n audits of a stage, up to z^2 / (n + z^2) of its frames, Wilson's bound for an event
  that was never seen (3.7 % at 100 audits), may be unlike any audited one: wholly wrong or wholly right, and with as
  many boxes in them as a frame has that shows any. So perfect audits prove no perfect stage, and audits that all saw an
  empty scene do not prove that nobody ever came by. Of a stage without an audit, nothing is known at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from vidpipe.statistics.wilson import wilson

CONFIDENCE = 0.95
_NORMAL = 1.96  # deviations of a normal value that hold it


class Sums(NamedTuple):
    """Sums over frames, of each of which so much (x) of so much (y) is right; those of two sets of frames add up.

    Attributes:
        n: frames.
        shown: of these, those with any y.
    """

    n: int = 0
    shown: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def and_frame(self, x: float, y: float) -> Sums:
        """The same with one more frame."""
        n, shown, all_x, all_y, xx, xy, yy = self
        return Sums(n + 1, shown + (y > 0), all_x + x, all_y + y, xx + x * x, xy + x * y, yy + y * y)

    def __add__(self, other: Sums) -> Sums:  # type: ignore[override]
        counts = self.n + other.n, self.shown + other.shown, self.x + other.x, self.y + other.y
        return Sums(*counts, self.xx + other.xx, self.xy + other.xy, self.yy + other.yy)

    def residuals(self, ratio: float) -> float:
        """Variance of x - ratio y from frame to frame; of a single frame its square."""
        squares = self.xx - 2 * ratio * self.xy + ratio * ratio * self.yy
        if self.n > 1:
            squares = (squares - (self.x - ratio * self.y) ** 2 / self.n) / (self.n - 1)
        return max(0.0, squares)


class Stratum(NamedTuple):
    """The frames that one stage has answered, other than the last one.

    Attributes:
        frames: published without having been audited.
        stood: audited, and the stage's answer published all the same.
        audits: random audits of its answers, published or not.
    """

    frames: int
    stood: int
    audits: Sums


class Estimate(NamedTuple):
    """An accuracy, 0..1, with its 95 % interval."""

    value: float
    low: float
    high: float


def share(exact: Sums, strata: Iterable[Stratum]) -> Estimate | None:
    """How much of all is right, where no frame has more right than there is (x <= y): F1, with x = 2 pairs, y = boxes.

    Args:
        exact: of all frames that the last stage looked at.
        strata: of the other stages.

    Returns:
        None where nothing was ever there, or where no answer of a cheap stage was audited though there are some.
    """
    totals = _Totals.of(exact, strata)
    if totals is None:
        return None
    rate = min(1.0, totals.ratio)
    low = high = rate
    if 0 < rate < 1 and totals.variance:
        low, high = _clopper_pearson(rate, rate * (1 - rate) / totals.variance * (_NORMAL / totals.t()) ** 2)
    # Who was missed stands in one of the two answers only.
    down = totals.unseen(lambda part, many: part.lowest(totals, many / 2))
    up = totals.unseen(lambda part, many: part.rightest(totals, many))
    return Estimate(rate, max(0.0, min(low, rate - down)), min(1.0, max(high, rate + up)))


def closeness(exact: Sums, strata: Iterable[Stratum]) -> Estimate | None:
    """How near the sum of what was said (x) is to that of what there was (y): 1 - |x - y| / y, not under 0.

    Arguments and result as of `share`.
    """
    totals = _Totals.of(exact, strata)
    if totals is None:
        return None
    spread = totals.t() * totals.variance**0.5 if totals.variance else 0.0
    low = totals.ratio - max(spread, totals.unseen(lambda part, many: part.lowest(totals, many)))
    high = totals.ratio + max(spread, totals.unseen(lambda part, many: part.most(totals, many)))
    ends = sorted(map(_near_one, (low, high)))
    return Estimate(_near_one(totals.ratio), ends[0], 1.0 if low <= 1 <= high else ends[1])


def _clopper_pearson(rate: float, trials: float) -> tuple[float, float]:
    """The interval of a rate, 0..1, of so many trials, which need not be a whole number."""
    from scipy.special import betaincinv

    hits, tail = rate * trials, (1 - CONFIDENCE) / 2
    low, high = betaincinv(hits, trials - hits + 1, tail), betaincinv(hits + 1, trials - hits, 1 - tail)
    return float(low), float(high)


def _near_one(ratio: float) -> float:
    return max(0.0, 1 - abs(1 - ratio))


class _Part(NamedTuple):
    """A stage's frames that nobody checked.

    Attributes:
        frames: how many.
        x, y: of one of them, as audits have it; 0 where there was none.
        unlike: the share of them that may be unlike any audited one.
        known: whether there was an audit.
    """

    frames: int
    x: float
    y: float
    unlike: float
    known: bool

    def lowest(self, totals: _Totals, missed: float) -> float:
        """The ratio if the frames unlike the audited ones were wrong, with at least so much missed in each."""
        odd, there = self.unlike * self.frames, missed if self.known else totals.many
        return (totals.x - odd * self.x) / (totals.y + odd * max(0.0, there - self.y))

    def rightest(self, totals: _Totals, many: float) -> float:
        """The ratio if they were right, with at least so much in each."""
        odd, there = self.unlike * self.frames, max(many, self.y)
        return (totals.x + odd * (there - self.x)) / (totals.y + odd * (there - self.y))

    def most(self, totals: _Totals, many: float) -> float:
        """The ratio if so much was said of each, and there was nothing more."""
        return (totals.x + self.unlike * self.frames * max(0.0, many - self.x)) / totals.y


class _Totals(NamedTuple):
    """Of all frames of a stream.

    Attributes:
        x, y: estimated totals.
        many: y of a frame that shows anything.
        variance: of the ratio.
        freedom: degrees of freedom of that (Satterthwaite 1946); 0 where there is no variance.
    """

    x: float
    y: float
    many: float
    variance: float
    freedom: float
    parts: Sequence[_Part]

    @classmethod
    def of(cls, exact: Sums, strata: Iterable[Stratum]) -> _Totals | None:
        strata = [each for each in strata if each.frames or each.audits.n]
        audits = [each.audits for each in strata]
        if any(each.frames for each in strata) and not any(each.n for each in audits):
            return None
        audited = [each for each in strata if each.audits.n]
        weights = [(each.frames + each.stood) / each.audits.n for each in audited]
        x = exact.x + sum(weight * each.audits.x for weight, each in zip(weights, audited, strict=True))
        y = exact.y + sum(weight * each.audits.y for weight, each in zip(weights, audited, strict=True))
        if not y:
            return None
        # Of the frames that were not audited, predicted from those that were: of which both differ by chance.
        spreads = [
            (each.frames * (each.frames + each.audits.n) / each.audits.n * each.audits.residuals(x / y), each.audits.n)
            for each in audited
        ]
        total = sum(spread for spread, _ in spreads)
        squares = sum(spread**2 / max(1, n - 1) for spread, n in spreads)
        seen = sum(audits, exact)
        return cls(x, y, seen.y / seen.shown, total / y**2, total**2 / squares if squares else 0.0, _parts(strata))

    @property
    def ratio(self) -> float:
        return self.x / self.y

    def t(self) -> float:
        """By how many deviations the ratio may be off."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2))

    def unseen(self, end: Callable[[_Part, float], float]) -> float:
        """How far the ratio may be off for what no audit has shown: of each stage by itself, as independent errors."""
        return float(sum((end(part, self.many) - self.ratio) ** 2 for part in self.parts) ** 0.5)


def _parts(strata: Iterable[Stratum]) -> list[_Part]:
    parts = []
    for frames, _, audits in strata:
        n = audits.n
        parts.append(_Part(frames, audits.x / n if n else 0.0, audits.y / n if n else 0.0, wilson(0, n)[1], n > 0))
    return parts

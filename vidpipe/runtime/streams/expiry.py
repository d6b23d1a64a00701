"""What is published never rests on a picture from too long ago: then it says that nothing is known."""

from __future__ import annotations

from collections import deque

from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame, Missing

TOO_OLD = "nothing is known: nobody has looked in time"


class Expiry:
    """Minds how old the answers of one stream are; for its thread.

    Boxes that are held or moved while nobody looks are worth less by the second, and look like any others.

    Args:
        longest_s: media seconds between a picture and the one that its answer rests on; None: any.
    """

    def __init__(self, longest_s: float | None = None) -> None:
        self._longest_s = longest_s
        self._recent: deque[tuple[int, float]] = deque()  # numbers and media seconds of pictures that are not too old
        self._too_old = -2  # number of the newest picture that is; an answer that rests on none is as of -1

    def minded(self, item: Frame | Missing, answer: Answer) -> Answer:
        """The answer to the next picture, or one without boxes in its place."""
        if self._longest_s is None:
            return answer
        recent = self._recent
        if recent and item.pts < recent[-1][1]:  # the stream's clock was set back: ages count from here
            recent = self._recent = deque([(recent[-1][0], item.pts)])
        recent.append((item.seq, item.pts))
        while item.pts - recent[0][1] > self._longest_s:
            self._too_old = recent.popleft()[0]
        if answer.as_of > self._too_old:
            return answer
        return Answer(nothing(), How.DROPPED, "engine", answer.as_of, TOO_OLD)

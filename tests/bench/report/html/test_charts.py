"""The colour of a source."""

import pytest

from vidpipe.bench.report.html.charts import GAP, MISSED, TONES, tone

STAGES = ("difference", "little", "big")


@pytest.mark.parametrize(
    ("source", "stages", "style"),
    [
        (("difference", "reused"), STAGES, TONES[0]),
        (("big", "measured"), STAGES, TONES[5]),
        (("big", "measured"), ("big",), TONES[5]),
        (("big", "failed"), STAGES, MISSED),
        (("source", "dropped"), STAGES, MISSED),
        (("little", "skipped"), STAGES, GAP),
        (("source", "reused"), STAGES, GAP),
    ],
)
def test_colours(source, stages, style):
    assert tone(source, stages) == style

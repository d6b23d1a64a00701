"""When messages of a worse network arrive; all times are exact, no clock runs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.pipeline.spec import Outage, ShaperSpec
from vidpipe.runtime.transport.emulator import LinkEmulator


def arrivals(spec, messages):
    emulator = LinkEmulator(spec)
    return [emulator.arrival_s(ready, nbytes) for ready, nbytes in messages]


@pytest.mark.parametrize(
    ("spec", "messages", "expected"),
    [
        (ShaperSpec(), [(1.0, 10**6)], [1.0]),
        (ShaperSpec(delay_ms=50), [(0, 1), (0.01, 1)], [0.05, 0.06]),
        (ShaperSpec(rate_mbps=8), [(0, 10**6), (0, 10**6), (5, 10**6)], [1.0, 2.0, 6.0]),
        (ShaperSpec(rate_mbps=8, delay_ms=500), [(0, 10**6), (0, 10**6)], [1.5, 2.5]),
        (ShaperSpec(outages=[Outage(start_s=1, for_s=2)]), [(0.5, 1), (1.5, 1), (3.5, 1)], [0.5, 3.0, 3.5]),
        (ShaperSpec(trace=[(2, 8)]), [(0, 10**6), (2, 10**6)], [0.0, 3.0]),
        # Half of it leaves at 8 Mbps, the rest at 2.
        (ShaperSpec(rate_mbps=8, trace=[(0.5, 2)]), [(0, 10**6), (0, 10**6)], [2.5, 6.5]),
        (ShaperSpec(trace=[(0, 8), (1, 4), (2, 16)]), [(0.5, 2 * 10**6)], [2.5]),
        (
            ShaperSpec(outages=[Outage(start_s=3, for_s=1), Outage(start_s=1, for_s=2)]),
            [(1, 1)],
            [4.0],
        ),
    ],
)
def test_arrivals(spec, messages, expected):
    assert arrivals(spec, messages) == pytest.approx(expected)


def test_lost_transmissions_are_sent_again():
    sent = arrivals(ShaperSpec(loss=0.5, resend_ms=100), [(float(second), 1) for second in range(1000)])
    delays = [arrived - ready for ready, arrived in enumerate(sent)]
    assert 0.08 < sum(delays) / len(delays) < 0.12  # one resend on average


@settings(deadline=None)
@given(
    spec=st.builds(
        ShaperSpec,
        rate_mbps=st.none() | st.floats(0.1, 100),
        trace=st.lists(st.floats(0.1, 100), max_size=4).map(lambda rates: list(enumerate(rates, 1))),
        delay_ms=st.floats(0, 500),
        jitter_ms=st.floats(0, 500),
        loss=st.floats(0, 0.5),
    ),
    gaps=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10**6)), min_size=1, max_size=40),
)
def test_nothing_arrives_early_or_overtakes(spec, gaps):
    now, messages = 0.0, []
    for gap, nbytes in gaps:
        now += gap
        messages.append((now, nbytes))
    arrived = arrivals(spec, messages)
    assert arrived == sorted(arrived)
    assert all(at >= ready + spec.delay_ms / 1000 - 1e-9 for at, (ready, _) in zip(arrived, messages, strict=True))

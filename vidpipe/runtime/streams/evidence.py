"""Pictures and clips of events, as far as the process of a stream makes them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from vidpipe.core.clock import Clock
from vidpipe.core.settings import StageConfig
from vidpipe.media.spec import MediaSpec
from vidpipe.media.stream import StreamMedia
from vidpipe.media.writer import MediaWriter
from vidpipe.sources.base import Source, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.open import packets_of
from vidpipe.transforms.rules.spec import RulesConfig

log = logging.getLogger(__name__)


class Evidence:
    """What makes pictures and clips of the events of all streams of a process.

    Args:
        spec: which are made; None: none.
    """

    def __init__(self, spec: MediaSpec | None, clock: Clock) -> None:
        self._clock = clock
        self._writer = MediaWriter(spec, clock) if spec is not None else None

    def ring(self, stream: str, spec: StreamSpec, rules: StageConfig | None) -> PacketRing | None:
        """Where a stream's packets are kept, if clips are made of them.

        Args:
            rules: the settings of the stream's rules, if it has any: they say how late an event may be told.
        """
        if self._writer is None or not self._writer.spec.clips:
            return None
        if spec.why_no_clips:
            if spec.clips is None:
                log.warning("stream %s: no clips are made: %s", stream, spec.why_no_clips)
            return None
        told_late_s = rules.told_late_s if isinstance(rules, RulesConfig) else 0.0
        return PacketRing(self._writer.spec.reach_s(told_late_s), self._writer.spec.max_bytes)

    def of(self, stream: str, spec: StreamSpec, source: Source, ring: PacketRing | None) -> StreamMedia | None:
        """What makes pictures and clips of a stream's events, if they are asked for."""
        if self._writer is None:
            return None
        self._writer.open()
        packets = None if ring is None else packets_of(stream, spec, source, ring, self._clock)
        if ring is not None and packets is None:
            log.warning("stream %s: no clips are made: it can be read only once", stream)
        return StreamMedia(stream, self._writer.spec, self._writer, packets, live=spec.live, clock=self._clock)

    def counts(self) -> Mapping[str, Counter[str]]:
        """What was made, by stream."""
        return self._writer.counts.of_all() if self._writer is not None else {}

    def close(self) -> None:
        """Write what is begun, and end."""
        if self._writer is not None:
            self._writer.close()

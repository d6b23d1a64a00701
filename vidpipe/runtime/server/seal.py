"""States of stages as callers hold them: they are pickles, so only those that this server has made are read again."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger(__name__)

_SIZE = hashlib.sha256().digest_size


class Seal:
    """Signs states with a key that no caller has (HMAC-SHA256), and knows its own signature again.

    Args:
        key: a file that nobody else can read, as that of the certificate: who is started anew knows the states of the
            one before. None: a key of this process alone.
    """

    def __init__(self, key: Path | None) -> None:
        secret = os.urandom(_SIZE) if key is None else key.read_bytes()
        self._key = hashlib.sha256(b"vidpipe: states of stages\n" + secret).digest()

    def closed(self, stream: str, states: Mapping[str, bytes]) -> dict[str, bytes]:
        """States of a stream's stages, by id, each behind its signature."""
        return {stage: self._sign(stream, stage, state) + state for stage, state in states.items()}

    def opened(self, stream: str, states: Mapping[str, bytes]) -> dict[str, bytes]:
        """The states again, without those that are not signed with this key for that stream and stage."""
        opened = {}
        for stage, closed in states.items():
            signature, state = closed[:_SIZE], closed[_SIZE:]
            if hmac.compare_digest(signature, self._sign(stream, stage, state)):
                opened[stage] = state
            else:
                log.warning("stage %s begins anew for a stream: its state is not this server's own", stage)
        return opened

    def _sign(self, stream: str, stage: str, state: bytes) -> bytes:
        signed = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (stream.encode(), stage.encode(), state):
            signed.update(len(part).to_bytes(8))
            signed.update(part)
        return signed.digest()

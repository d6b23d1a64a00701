"""States as callers hold them: only what a server has made itself, for that stream and stage, is read again."""

from __future__ import annotations

from vidpipe.runtime.server.seal import Seal


def test_only_its_own_states_are_read_again(tmp_path, caplog):
    key = tmp_path / "key.pem"
    key.write_text("a key")
    closed = Seal(key).closed("a", {"s": b"state", "t": b""})
    assert Seal(key).opened("a", closed) == {"s": b"state", "t": b""}  # also by another process
    forged = {"s": closed["s"][:-1] + b"X", "t": b"too short"}
    assert Seal(key).opened("a", forged) == {}
    assert Seal(key).opened("b", closed) == {}
    assert Seal(key).opened("a", {"t": closed["s"]}) == {}
    assert Seal(None).opened("a", closed) == {}
    assert "stage s begins anew for a stream: its state is not this server's own" in caplog.text

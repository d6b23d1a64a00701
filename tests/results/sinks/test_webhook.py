"""Webhooks, against a real server and its faults."""

from __future__ import annotations

import base64
import hmac
import json
import time
from email.utils import formatdate

import pytest
from pydantic import ValidationError

from tests.results.sinks.receivers import Answer, WebReceiver, certificate
from tests.results.store.told import PROVENANCE, event
from tests.waiting import until
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.results.sinks.webhook import WebhookConfig, WebhookSink

KEY, OTHER = b"0123456789abcdef01234567", b"another key of 24 bytes!"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SECRETS = SECRET + " whsec_" + base64.b64encode(OTHER).decode()
HIDDEN = "T0KEN-IN-A-PATH"


@pytest.fixture
def receiver():
    made = WebReceiver()
    yield made
    made.close()


def begun(folder, address, **settings):
    soon = {"retry_s": 0.02, "retry_most_s": 0.05, "timeout_s": 0.5}
    sink = WebhookSink(
        WebhookConfig(**soon | {"url": f"{address}/{HIDDEN}", "outbox": str(folder / "o.db")} | settings)
    )
    sink.begin(PROVENANCE)
    return sink


def test_an_event_is_posted_and_signed_as_standard_webhooks_has_it(tmp_path, receiver):
    sink = begun(tmp_path, receiver.address, secret=SECRETS, token="bearer of good news")
    sink.tell([event(3, zone="gate")])
    until(lambda: receiver.requests)
    sink.close()
    ((path, headers, body),) = receiver.requests
    told = json.loads(body)
    assert (path, told["schema"], told["zone"], told["seq"]) == (f"/{HIDDEN}", "vidpipe.event/1", "gate", 3)
    assert headers["authorization"] == "Bearer bearer of good news"
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in (KEY, OTHER)]
    assert headers["webhook-signature"].split() == [f"v1,{each}" for each in expected]
    assert "." not in headers["webhook-id"]


def test_what_is_sent_again_has_the_same_id_and_each_phase_another(tmp_path, receiver):
    receiver.answers = [Answer(503), Answer(500)]
    sink = begun(tmp_path, receiver.address)
    sink.tell([event(0), event(1)])
    until(lambda: sink.counts["delivered"] == 2)
    sink.close()
    ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert ids == [ids[0]] * 3 + [ids[3]]
    assert ids[0] != ids[3]


LATER = [
    (Answer(500), "it answers 500 Internal Server Error"),
    (Answer(503), "it answers 503 Service Unavailable"),
    (Answer(401), "it answers 401 Unauthorized"),
    (Answer(404), "it answers 404 Not Found"),
    (Answer(429), "it answers 429 Too Many Requests"),
    (
        Answer(302, {"Location": "http://169.254.169.254/latest"}),
        "it answers 302 Found, to http://169.254.169.254: ",
    ),
    (Answer(308, {"Location": "/elsewhere"}), "it answers 308 Permanent Redirect, to another path: write that address"),
    (Answer(None), "it did not answer within 0.5 s"),
    (Answer(raw=b""), "it hung up without an answer"),
    (Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "it answers what is no HTTP"),
]


@pytest.mark.parametrize(("answer", "why"), LATER, ids=[why for _, why in LATER])
def test_what_fails_is_said_and_sent_again(tmp_path, receiver, caplog, answer, why):
    receiver.answers = [answer] * 2
    sink = begun(tmp_path, receiver.address)
    sink.tell([event(0), event(1)])
    until(lambda: sink.counts["delivered"] == 2)
    sink.close()
    assert f"webhook {receiver.address} takes no events: {why}" in caplog.text
    assert receiver.seqs == [0, 0, 0, 1]
    assert HIDDEN not in caplog.text
    assert all(path == f"/{HIDDEN}" for path, _, _ in receiver.requests)  # no redirect was followed


def test_a_receiver_that_is_away_for_a_while_misses_nothing(tmp_path, caplog):
    gone = WebReceiver()
    gone.close()
    sink = begun(tmp_path, gone.address)
    sink.tell([event(seq) for seq in range(20)])
    until(lambda: sink.counts["retries"] >= 2)
    assert "takes no events: connection refused" in caplog.text
    back = WebReceiver(port=gone.port)
    until(lambda: sink.counts["delivered"] == 20)
    sink.close()
    back.close()
    assert back.seqs == list(range(20))


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_what_will_never_be_taken_is_a_dead_letter(tmp_path, receiver, status):
    receiver.answers = [Answer(status)]
    sink = begun(tmp_path, receiver.address)
    sink.tell([event(0), event(1)])
    until(lambda: sink.counts["delivered"] == 1)
    sink.close()
    assert (sink.counts["dropped_refused"], receiver.seqs) == (1, [0, 1])


@pytest.mark.long
@pytest.mark.parametrize("says", ["1", "date"])
def test_a_receiver_may_say_when_it_has_time_again(tmp_path, receiver, says):
    after = formatdate(time.time() + 2, usegmt=True) if says == "date" else says
    receiver.answers = [Answer(429, {"Retry-After": after})]
    sink = begun(tmp_path, receiver.address)
    began = time.monotonic()
    sink.tell([event(0)])
    until(lambda: sink.counts["delivered"] == 1)
    assert time.monotonic() - began > 0.8
    sink.close()


TEST = {"id": "a", "phase": "begin", "seq": 0}


def test_certificates(tmp_path):
    own, other = certificate(tmp_path), certificate(tmp_path, "elsewhere.example")
    receiver, stranger = WebReceiver(own), WebReceiver(other)
    with pytest.raises(RunError, match=r"its certificate is not trusted: self-signed certificate; name another one in"):
        WebhookSink(WebhookConfig(url=receiver.address)).try_out(TEST)
    with pytest.raises(RunError, match=r"its certificate is not trusted: .*not valid for '127.0.0.1'"):
        WebhookSink(WebhookConfig(url=stranger.address, ca_file=str(other.file))).try_out(TEST)
    sink = begun(tmp_path, receiver.address, ca_file=str(own.file))
    sink.tell([event(0)])
    until(lambda: receiver.seqs == [0])
    sink.close()
    receiver.close()
    stranger.close()


def test_what_is_kept_elsewhere_is_looked_up(tmp_path, receiver, monkeypatch):
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("HOOK_HOST", receiver.address)
    sink = begun(tmp_path, "${env:HOOK_HOST}", secret=f"${{file:{tmp_path / 'secret'}}}")
    assert str(sink) == f"webhook {receiver.address}"
    sink.tell([event(0)])
    until(lambda: receiver.requests)
    sink.close()
    assert "webhook-signature" in receiver.requests[0][1]


NOT_THERE = [
    (
        {"url": "${env:NO_SUCH_HOOK}"},
        "the environment variable NO_SUCH_HOOK is not set; it should hold a webhook's ",
    ),
    ({"url": "${file:/no/such/file}"}, "the file /no/such/file, which should hold a webhook's address, cannot be read"),
    ({"secret": "abc"}, "a webhook's secret must be whsec_ and base64: `openssl rand -base64 32` makes one"),
    ({"secret": "whsec_*"}, "a webhook's secret must be whsec_ and base64"),
    ({"ca_file": "/no/such/file"}, "webhook http://127.0.0.1: ca_file /no/such/file cannot be read: No such file"),
]


@pytest.mark.parametrize(("settings", "said"), NOT_THERE)
def test_what_is_not_there_is_said_before_the_run_begins(tmp_path, settings, said):
    with pytest.raises(ConfigError) as raised:
        begun(tmp_path, "http://127.0.0.1", **settings)
    assert str(raised.value).startswith(said)
    assert "abc" not in str(raised.value)


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "https://", "https://me:pass-word@host/x"])
def test_an_address_that_is_none_is_refused_and_not_shown(url):
    with pytest.raises(ValidationError) as raised:
        WebhookConfig(url=url)
    (problem,) = raised.value.errors()
    assert "pass-word" not in str(problem["ctx"]["error"])
    assert "pass-word" not in str(raised.value)


def test_no_secret_is_in_what_settings_show():
    config = WebhookConfig(url=f"https://host/{HIDDEN}", secret=SECRET, token="t0ken")
    shown = f"{config!r} {config.model_dump_json()} {WebhookSink(config)}"
    assert not [each for each in (HIDDEN, SECRET, "t0ken") if each in shown]
    assert "https://host" in shown

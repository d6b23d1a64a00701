"""What others may try on a page. What must hold, whatever they send:

- no page of another site reads or changes anything, also under a name that it has led here;
- who has no session and no token gets nothing, and a viewer changes nothing and sees only their cameras;
- passwords cannot be tried as often as one likes, and neither they nor tokens are kept as they are, or told;
- who connects and says nothing, sends too much or takes nothing costs a bounded place, and the run nothing.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress

import pytest

from tests.serve.conftest import Browser, wanted
from tests.waiting import until
from vidpipe.core.errors import ConfigError
from vidpipe.serve import server as server_module
from vidpipe.serve.guard import MOST_BYTES
from vidpipe.serve.page import Page
from vidpipe.serve.sessions import LASTS_S, TRIES, Sessions, Tries
from vidpipe.serve.users import Users
from vidpipe.testing.clock import HandClock

EDIT = {"stream": "gate", "add": {"zones": {"z": [[0, 0], [1, 0], [1, 1]]}}}
PASSWORD = "correct horse battery"


def test_a_name_that_was_led_here_reads_nothing(serve):
    browser = serve().browser
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.9"):
        answer = browser.get("/api/status", headers={"Host": host})
        assert (answer.status, "name" in answer.json["error"]) == (403, True)
    for host in ("localhost", "127.0.0.1:9999", "[::1]:80"):
        assert browser.get("/api/status", headers={"Host": host}).status == 200


CROSS_SITE = [
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Content-Type": "text/plain"}, 415),  # what a form of another site may send without asking
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
]


def test_another_site_changes_nothing(serve):
    served = serve()
    for headers, status in CROSS_SITE:
        assert served.browser.post("/api/rules", EDIT, headers=headers).status == status, headers
    assert not served.run.epochs
    assert served.browser.post("/api/rules", EDIT, headers={"Sec-Fetch-Site": "same-origin"}).status == 200


def test_another_site_neither_shows_nor_reads_it(serve):
    browser = serve().browser
    assert browser.get("/api/picture", stream="gate", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert browser.get("/", headers=opened).status == 200  # a link to the page
    assert browser.get("/api/status", headers=opened).status == 403
    page = browser.get("/")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
    assert b"style=" not in page.body  # what the policy would not let in
    assert page.body.count(b"<script") == page.body.count(b'<script type="module" src="/static/') == 1


def test_no_other_file_is_served(serve):
    browser = serve().browser
    assert browser.get("/static/main.js").status == 200
    for path in ("../page.py", "%2e%2e/page.py", "..%2fpage.py", "/etc/passwd", "%2fetc%2fpasswd", "%00", "."):
        assert browser.get(f"/static/{path}").status == 404, path
    assert browser.get("//etc/passwd").status == 404


def test_large_bodies_are_refused(serve):
    browser = serve().browser
    assert browser.post("/api/rules", b"[" * (MOST_BYTES + 1)).status == 413
    chunked = f"POST /api/rules HTTP/1.1\r\nHost: 127.0.0.1:{browser.port}\r\nContent-Type: application/json\r\n"
    chunked += "Transfer-Encoding: chunked\r\n\r\n" + "4000\r\n" + "x" * 0x4000 + "\r\n"
    with socket.create_connection(("127.0.0.1", browser.port), timeout=10) as connection:
        connection.sendall(chunked.encode() + b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(4)))
        assert b" 413 " in connection.recv(100)
    assert browser.post("/api/rules", b"[" * 60_000).status == 400  # deep, but not long
    assert browser.get("/api/status", headers={"X-Long": "x" * 100_000}).status == 431


def test_other_machines_are_let_in_only_where_there_are_users(serve, users):
    with pytest.raises(ConfigError, match="add one by `vidpipe serve --add-user NAME`"):
        Page(0, "0.0.0.0")
    users.add_user("ann", PASSWORD, "admin", ["*"])
    served = serve(address="0.0.0.0")
    for path in (
        "/api/status",
        "/api/picture?stream=gate",
        "/api/told",
        "/api/events",
        "/api/plan",
        "/api/live?stream=gate",
    ):
        assert served.browser.get(path).status == 401, path
    assert served.browser.get("/api/session").json["person"] is None
    assert served.browser.get("/").status == 200  # the page that asks for a password
    assert served.browser.get("/api/session", headers={"Host": "yard.example"}).status == 200


def signed_in(served, name, password=PASSWORD):
    browser = Browser(served.port)
    return browser, browser.post("/api/session", {"name": name, "password": password})


def test_who_signs_in_has_a_session_that_ends(serve, users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    served = serve()
    browser, answer = signed_in(served, "ann")
    assert answer.json["person"] == {"name": "ann", "role": "admin", "cameras": ["*"]}
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.post("/api/rules", EDIT).status == 200
    assert served.run.epochs[0].by == "page: ann"
    kept = browser.cookie
    browser.ask("DELETE", "/api/session")
    browser.cookie = kept  # whoever has copied it
    assert browser.get("/api/status").status == 401
    browser, _ = signed_in(served, "ann")
    users.remove("ann")
    users.add_user("bob", PASSWORD, "viewer", ["*"])
    assert browser.get("/api/status").status == 401  # who is removed is out at once


def test_a_viewer_sees_their_cameras_and_changes_nothing(serve, users):
    users.add_user("eve", PASSWORD, "viewer", ["gate*"])
    served = serve("gate", "yard")
    served.show(10)
    served.show(10, stream="yard")
    browser, _ = signed_in(served, "eve")
    assert {*browser.get("/api/status").json["streams"]} == {"gate"}
    assert {*browser.get("/api/funnel").json["streams"]} == {"gate"}
    assert [process["streams"] for process in browser.get("/api/machinery").json["processes"]] == [["gate"]]
    for path in ("picture", "picture-and-boxes", "rules", "settings", "live.mjpeg"):
        assert browser.get(f"/api/{path}", stream="yard").status == 404, path
    for path, told in (
        ("rules", EDIT),
        ("settings", {"stages": {"sees": {"least": 1}}}),
        ("pause", {"stream": "gate"}),
    ):
        assert browser.post(f"/api/{path}", told).status == 403, path
    assert not served.run.epochs


def test_an_admin_of_some_cameras_changes_no_others(serve, users):
    users.add_user("adam", PASSWORD, "admin", ["gate"])
    served = serve("gate", "yard")
    browser, _ = signed_in(served, "adam")
    assert browser.post("/api/settings", {"stages": {"sees": {"least": 1}}, "streams": ["yard"]}).status == 404
    assert browser.post("/api/settings", {"stages": {"sees": {"least": 1}}}).json["streams"] == ["gate"]


def test_tokens_are_for_programs(serve, users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    token = users.add_token("grafana", "viewer", ["*"])
    browser = serve().browser

    def ask(token):
        return browser.get("/api/status", headers={"Authorization": f"Bearer {token}"}).status

    assert ask(token) == 200
    for wrong in (token[:-1], token[:-1] + "g", "vp_grafana_", "", "vp_ann_" + PASSWORD, "\u00e9" * 3, "x" * 10_000):
        assert ask(wrong) == 401, wrong
    users.remove("grafana")
    assert ask(token) == 401


def test_no_secret_is_kept_or_told(serve, users, caplog):
    caplog.set_level(logging.DEBUG)
    users.add_user("ann", PASSWORD, "admin", ["*"])
    token = users.add_token("grafana", "viewer", ["*"])
    text = users.path.read_text()
    assert "$argon2id$" in text
    assert users.path.stat().st_mode & 0o077 == 0
    assert PASSWORD not in text
    assert token.rpartition("_")[2] not in text
    served = serve()
    _, refused = signed_in(served, "ann", "not the password")
    malformed = served.browser.post("/api/session", {"name": "ann", "password": PASSWORD, "more": PASSWORD})
    assert (refused.status, malformed.status) == (403, 422)
    for told in (refused.body.decode(), malformed.body.decode(), caplog.text):
        assert PASSWORD not in told
        assert "not the password" not in told


def test_passwords_cannot_be_tried_for_ever(serve, users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    served = serve()
    tries = [signed_in(served, "ann", f"wrong {number}")[1] for number in range(TRIES + 1)]
    assert [answer.status for answer in tries] == [403] * TRIES + [429]
    assert int(tries[-1].headers["retry-after"]) > 0
    assert signed_in(served, "ann")[1].status == 429  # also with the right one


def test_tries_come_back_with_time():
    clock = HandClock()
    tries = Tries(clock)
    assert [tries.wait_s("a") for _ in range(TRIES)] == [0.0] * TRIES
    wait_s = tries.wait_s("a")
    assert wait_s > 0
    assert tries.wait_s("b") == 0.0
    clock.turn(wait_s)
    assert tries.wait_s("a") == 0.0
    tries.forget("a")
    assert tries.wait_s("a") == 0.0


def test_a_session_ends_when_it_is_not_used():
    clock = HandClock()
    sessions = Sessions(clock)
    secret = sessions.begin("ann")
    clock.turn(LASTS_S - 1)
    assert sessions.user(secret) == "ann"
    clock.turn(LASTS_S - 1)
    assert sessions.user(secret) == "ann"
    clock.turn(LASTS_S + 1)
    assert sessions.user(secret) is None
    assert sessions.user("guessed") is None


def test_a_damaged_file_of_users_lets_nobody_in(serve, users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    served = serve()
    users.path.write_text("{" + PASSWORD)
    assert served.browser.get("/api/status").status == 401
    answer = served.browser.get("/api/status", headers={"Authorization": "Bearer vp_a_b"})
    assert answer.status == 503
    assert "is damaged" in answer.json["error"]
    assert PASSWORD not in answer.json["error"]
    with pytest.raises(ConfigError, match="is damaged"):
        Users(users.path)


def test_five_hundred_who_say_nothing_disturb_nobody(serve):
    served = serve()
    idle = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(500)]
    try:
        served.show(10, 20)
        assert served.browser.get("/api/status").json["streams"]["gate"]["frames_in"] == 2
        connections = served.page._server._server._server.server_state.connections  # noqa: SLF001
        assert len(connections) <= server_module.MOST
    finally:
        for connection in idle:
            connection.close()


def test_who_sends_no_request_is_let_go(serve, monkeypatch):
    monkeypatch.setattr(server_module, "IDLE_S", 0.2)
    served = serve()
    for sent in (b"", b"GET /api/status HTTP/1.1\r\nHost: 127"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(sent)
            with suppress(ConnectionResetError):
                assert connection.recv(10) == b""


def test_who_takes_nothing_holds_up_nobody(serve):
    served = serve()
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.sendall(f"GET /api/live?stream=gate&fps=30 HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        until(lambda: wanted(served))
        began = time.monotonic()
        served.show(*[10] * 20)
        assert time.monotonic() - began < 10
        assert served.browser.get("/api/status").status == 200
    until(lambda: not wanted(served))


def test_a_port_in_use_is_told(serve):
    served = serve()
    with pytest.raises(ConfigError, match=f"the page cannot be served at 127.0.0.1:{served.port}: .*take another port"):
        Page(served.port, "127.0.0.1")


def test_a_folder_that_takes_no_socket_is_told(tmp_path, monkeypatch):
    (long := tmp_path / ("x" * 120)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(ConfigError, match="the page cannot be served: AF_UNIX path too long"):
        Page(0, "127.0.0.1")
    assert [*long.iterdir()] == []


def test_pictures_that_stay_are_shown_to_this_machine_alone(serve, users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    served = serve(more={"streams": {"gate": {"leaves_device": "never"}}})
    browser, _ = signed_in(served, "ann")
    proxied = {"X-Forwarded-For": "10.0.0.9"}
    for path in ("picture", "live", "live.mjpeg", "picture-and-boxes"):
        assert browser.get(f"/api/{path}", stream="gate", headers=proxied).status == 403, path
    assert browser.get("/api/status", headers=proxied).status == 200
    with browser.open("/api/live", stream="gate") as answer:
        assert answer.status == 200


def test_without_users_nobody_is_let_in_through_a_proxy(serve):
    browser = serve().browser
    for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert browser.get("/api/status", headers={name: "10.0.0.9"}).status == 401
    assert browser.get("/api/status").status == 200


@pytest.mark.long
@pytest.mark.parametrize("path", ["/api/told", "/api/live", "/api/live.mjpeg"])
def test_what_is_open_ends_for_who_is_removed(serve, users, path):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    users.add_user("bob", PASSWORD, "viewer", ["*"])
    served = serve()
    ann, _ = signed_in(served, "ann")
    bob, _ = signed_in(served, "bob")
    with bob.open(path, stream="gate") as open_:
        users.remove("bob")
        until_s = time.monotonic() + 8
        for grey in range(100):
            served.show(grey)
            if not open_.read1():
                break
            assert time.monotonic() < until_s, "it goes on"
    assert ann.get("/api/status").status == 200


def test_who_is_removed_loses_a_token_of_that_name_too(users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    token = users.add_token("ann", "viewer", ["*"])
    users.remove("ann")
    assert users.by_token(token) is None
    with pytest.raises(ConfigError, match="no user or token 'ann'"):
        users.remove("ann")


def test_who_removes_the_last_user_lets_nobody_in(serve, users):
    users.add_user("ann", PASSWORD, "admin", ["*"])
    served = serve()
    browser, _ = signed_in(served, "ann")
    assert browser.get("/api/status").status == 200
    users.remove("ann")
    assert browser.get("/api/status").status == 401
    assert Browser(served.port).get("/api/status").status == 401
    users.path.unlink()
    assert Browser(served.port).post("/api/rules", EDIT).status == 401
    assert not served.run.epochs


def test_what_is_not_asked_for_is_refused(serve):
    browser = serve().browser
    for told in ([], "x", None, {"stream": 7}, {"stream": "gate", "add": 5}, {"stream": "gate", "more": 1}):
        answer = browser.post("/api/rules", told)
        assert (answer.status, bool(answer.json["error"])) == (422, True), told


ODD_EDITS = [
    {"zones": 5},
    {"zones": {"z": 5}},
    {"zones": {"z": [5]}},
    {"zones": {"z": [["a", "b"]] * 3}},
    {"zones": {"z": [[9, 9]] * 3}},
    {"rules": "x"},
    {"rules": ["x"]},
    {"rules": [{"id": 5}]},
    {"rules": [{"id": "r", "kind": "no such"}]},
    {"rules": [{"id": "r", "kind": "zone", "zone": "nowhere"}]},
    {"lines": {"": []}},
    {"more": {}},
]


def test_odd_rules_are_refused_in_words(serve):
    served = serve()
    for verb in ("add", "change"):
        for edit in ODD_EDITS:
            answer = served.browser.post("/api/rules", {"stream": "gate", verb: edit, "version": 0})
            assert (answer.status, bool(answer.json["error"])) == (400, True), (edit, answer.body)
    assert not served.run.epochs

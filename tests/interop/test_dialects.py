"""Senders and receivers as the IM servers' own documents show them, on both sides of callgate.

The receivers are Flask applications: `request.json` needs the right content type, and a handler
that fails answers 500, so a call that differs from the documents is seen.
"""

import base64
import json
import pathlib
import threading
import urllib.request

import pytest
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "dialects"
PATIENCE_S = 10


class Receiver:
    """A business server that keeps what its handlers saw."""

    def __init__(self, add_routes):
        app = Flask("receiver")
        self._changed = threading.Condition()
        self.seen = []
        add_routes(app, self._see)
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _see(self, what):
        with self._changed:
            self.seen.append(what)
            self._changed.notify_all()

    def wait_for(self, count):
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.seen) >= count, PATIENCE_S)
            assert arrived, self.seen
            return list(self.seen)

    def close(self):
        self._server.shutdown()


@pytest.fixture
def receive():
    started = []

    def start_with(add_routes):
        receiver = Receiver(add_routes)
        started.append(receiver)
        return receiver

    yield start_with
    for receiver in started:
        receiver.close()


def fixture(name):
    return (FIXTURES / name).read_bytes()


def post(url, body):
    """Posts as the documents' command lines do."""
    headers = {"Content-Type": "application/json"}
    call = urllib.request.Request(url, data=body, headers=headers, method="POST")
    with urllib.request.urlopen(call, timeout=PATIENCE_S) as answer:
        return answer.status, answer.read()


def wukongim(app, see):
    @app.route("/webhook", methods=["POST"])
    def webhook():
        event = request.args.get("event")
        if event == "user.onlinestatus":
            for status in request.json:
                parts = status.split("-")
                counts = [int(part) for part in parts[1:6]]
                see((event, parts[0], *counts))
        elif event == "msg.offline":
            message = request.json
            payload = json.loads(base64.b64decode(message["payload"]).decode("utf-8"))
            for uid in message["to_uids"]:
                see((event, uid, message["from_uid"], payload["content"], message["message_idstr"]))
        elif event == "msg.notify":
            for message in request.json:
                payload = json.loads(base64.b64decode(message["payload"]).decode("utf-8"))
                see((event, message["message_idstr"], message["channel_id"], payload["content"]))
        return "OK", 200


def test_wukongim_to_a_documented_receiver(start, receive):
    receiver = receive(wukongim)
    hooks = ["msg.notify", "msg.offline", "user.onlinestatus"]
    callgate = start(
        f"endpoints: {{app: {{url: '{receiver.url}/webhook', dialect: wukongim}}}}\n"
        "hooks:\n" + "".join(f"  wukongim.{hook}: {{endpoint: app}}\n" for hook in hooks)
    )
    online = b'["user123-1-1-1001-1-1", "user456-0-0-1002-0-0"]'
    for event, body in [
        ("user.onlinestatus", online),
        ("msg.offline", fixture("wukongim.msg.offline.v2.2.5.request.json")),
        ("msg.notify", fixture("wukongim.msg.notify.v1.2.6.request.json")),
    ]:
        assert post(f"{callgate.http}/wukongim?event={event}", body) == (200, b"")
    seen = receiver.wait_for(6)
    assert sorted(map(str, seen)) == sorted(
        map(
            str,
            [
                ("user.onlinestatus", "user123", 1, 1, 1001, 1, 1),
                ("user.onlinestatus", "user456", 0, 0, 1002, 0, 0),
                ("msg.offline", "bob", "alice", "大家好", "1904423718249922560"),
                ("msg.offline", "carol", "alice", "大家好", "1904423718249922560"),
                ("msg.notify", "1904423718245728256", "bob", "hello <b>世界</b> & co"),
                ("msg.notify", "1904423718249922560", "group_1", "大家好"),
            ],
        )
    )


def chatserver(app, see):
    @app.route("/chatApplication/auth.do", methods=["POST"])
    def auth():
        see(("auth", request.get_data(as_text=True)))
        return jsonify(retVal=True)

    @app.route("/chatApplication/messageReveiced.do", methods=["POST"])
    def message_reveiced():
        see(("message", request.get_data(as_text=True)))
        return jsonify(retVal=True)

    @app.route("/chatApplication/actionMessage.do", methods=["POST"])
    def action_message():
        see(("action", request.get_data(as_text=True)))
        return jsonify(retVal=True, msg="这是动作消息:1540450000000")


def test_chatserver_to_a_documented_receiver(start, receive):
    receiver = receive(chatserver)
    base = f"{receiver.url}/chatApplication"
    callgate = start(
        "endpoints:\n"
        f"  auth: {{url: '{base}/auth.do', dialect: chatserver}}\n"
        f"  message: {{url: '{base}/messageReveiced.do', dialect: chatserver}}\n"
        f"  action: {{url: '{base}/actionMessage.do', dialect: chatserver}}\n"
        "hooks:\n"
        "  chatserver.auth: {endpoint: auth}\n"
        "  chatserver.message: {endpoint: message}\n"
        "  chatserver.action: {endpoint: action}\n"
    )
    calls = [
        ("auth.do", "chatserver.auth.request.json", {"retVal": True}),
        ("messageReveiced.do", "chatserver.message.room.request.json", {"retVal": True}),
        (
            "actionMessage.do",
            "chatserver.action.request.json",
            {"retVal": True, "msg": "这是动作消息:1540450000000"},
        ),
    ]
    for path, name, expected in calls:
        status, answer = post(f"{callgate.http}/chatApplication/{path}", fixture(name))
        assert (status, json.loads(answer)) == (200, expected)
    seen = receiver.wait_for(3)
    assert sorted(body for _, body in seen) == sorted(
        fixture(name).decode() for _, name, _ in calls
    )


def funtek(app, see):
    @app.route("/bot", methods=["POST"])
    def bot():
        call = request.json
        see((call["event"], call["roomID"], call.get("botState")))
        if call["event"] != "MESSAGE":
            return jsonify(toBotState=None, data=None)
        data = {"message": "您好！我是机器人助手，有什么可以帮助您的吗？", "messageType": "text"}
        return jsonify(senderID="robot001", toBotState="active", data=data)


def test_funtek_to_a_documented_receiver(start, receive):
    receiver = receive(funtek)
    events = ["JOIN_ROOM", "ADD_MEMBERS", "DELETE_MEMBERS", "MESSAGE"]
    callgate = start(
        f"endpoints: {{bot: {{url: '{receiver.url}/bot', dialect: funtek}}}}\n"
        "hooks:\n" + "".join(f"  funtek.{event}: {{endpoint: bot}}\n" for event in events)
    )
    for event in events:
        body = fixture(f"funtek.{event}.doc-sample.request.json")
        status, answer = post(f"{callgate.http}/funtek", body)
        expected = "reply" if event == "MESSAGE" else "noop"
        recorded = json.loads(fixture(f"funtek.{expected}.response.json"))
        assert (status, json.loads(answer)) == (200, recorded)
    assert receiver.wait_for(4) == [(event, "demo-room", None) for event in events]

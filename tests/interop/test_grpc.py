"""A Python message service asks callgate, and a Python business server stands behind it."""

import json
import time

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

PATIENCE_S = 10


@pytest.fixture
def hooks(api, start):
    """Starts with a policy and returns the stub, the messages and the program."""
    pb, pb_grpc = api

    def connect(policy):
        callgate = start(policy)
        return pb_grpc.HookServiceStub(callgate.channel), pb, callgate

    return connect


def asking(url, hook="timeout: 1s"):
    return (
        f"endpoints: {{business: {{url: '{url}'}}}}\n"
        "lists:\n"
        "  bad: {words: [damn], action: block}\n"
        "  ads: {words: [buy now], action: replace}\n"
        "hooks:\n"
        f"  beforeSendSingleMsg: {{endpoint: business, {hook}}}\n"
        "  beforeMsgModify: {endpoint: none}\n"
        "  afterSendSingleMsg: {endpoint: business}\n"
    )


def ask(hooks, pb, text, hook="beforeSendSingleMsg", timeout=5):
    message = pb.Message(send_id="user1", recv_id="user2", content=json.dumps({"content": text}))
    return hooks.Before(pb.BeforeRequest(hook=hook, message=message), timeout=timeout)


def test_allow(hooks, business):
    stub, pb, _ = hooks(asking(business.url))
    answer = ask(stub, pb, "hello")
    assert answer.action == pb.ACTION_ALLOW
    assert answer.reviewed
    assert answer.failure == pb.FAILURE_CLASS_UNSPECIFIED
    path, headers, body = business.wait_for(1)[0]
    assert path == "/callback/callbackBeforeSendSingleMsgCommand"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    asked = json.loads(body)
    assert asked["sendID"] == "user1"
    assert json.loads(asked["content"]) == {"content": "hello"}


def test_block_by_filter_in_every_unit(hooks, business):
    stub, pb, _ = hooks(asking(business.url))
    text = "😀 说 damn"
    answer = ask(stub, pb, text)
    assert answer.action == pb.ACTION_BLOCK
    assert answer.decided_by == pb.DECIDED_BY_FILTER
    match = answer.matches[0]
    # Python counts code points.
    assert text[match.chars.start : match.chars.end] == "damn"
    assert text.encode()[match.bytes.start : match.bytes.end] == b"damn"
    utf16 = text.encode("utf-16-le")
    assert utf16[2 * match.utf16.start : 2 * match.utf16.end].decode("utf-16-le") == "damn"
    assert business.requests == []


def test_block_by_the_business_server(hooks, business):
    business.answer = {"actionCode": 0, "errCode": 20123, "errMsg": "no", "errDlt": "x", "nextCode": 1}
    stub, pb, _ = hooks(asking(business.url))
    answer = ask(stub, pb, "hello")
    assert (answer.action, answer.err_code, answer.err_msg) == (pb.ACTION_BLOCK, 20123, "no")
    assert answer.decided_by == pb.DECIDED_BY_CALLBACK


def test_replace(hooks, business):
    stub, pb, _ = hooks(asking(business.url))
    answer = ask(stub, pb, "please buy now", hook="beforeMsgModify")
    assert answer.action == pb.ACTION_REPLACE
    assert answer.HasField("content")
    assert json.loads(answer.content) == {"content": "please *******"}


@pytest.mark.parametrize("action", ["allow", "block"])
def test_failure(hooks, closed_url, action):
    continues = "true" if action == "allow" else "false"
    stub, pb, _ = hooks(asking(closed_url, f"timeout: 1s, failedContinue: {continues}"))
    answer = ask(stub, pb, "hello")
    assert answer.failure == pb.FAILURE_CLASS_CONNECT
    assert answer.decided_by == pb.DECIDED_BY_FAILURE_POLICY
    assert answer.action == (pb.ACTION_ALLOW if action == "allow" else pb.ACTION_BLOCK)
    assert answer.reviewed == (action == "block")


def test_the_callers_deadline_is_kept(hooks, business):
    business.wait_s = 3
    stub, pb, _ = hooks(asking(business.url, "timeout: 10s"))
    started = time.monotonic()
    answer = ask(stub, pb, "hello", timeout=1)
    assert time.monotonic() - started < 1
    # The endpoint had nearly all of that time, so it is what failed.
    assert answer.failure == pb.FAILURE_CLASS_TIMEOUT
    assert not answer.reviewed


def test_an_invalid_request_is_an_error_that_names_the_field(hooks, business):
    stub, pb, _ = hooks(asking(business.url))
    with pytest.raises(grpc.RpcError) as refused:
        ask(stub, pb, "hello", hook="beforeSendSingelMsg")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "beforeSendSingleMsg" in refused.value.details()
    metadata = dict(refused.value.trailing_metadata())
    assert b"google.rpc.BadRequest" in metadata["grpc-status-details-bin"]


def test_a_stream_answers_by_request_id(hooks, business):
    stub, pb, _ = hooks(asking(business.url))

    def requests():
        for n in range(200):
            text = "damn" if n % 2 else "hello"
            message = pb.Message(send_id="user1", content=json.dumps({"content": text}))
            yield pb.BeforeRequest(hook="beforeMsgModify", request_id=str(n), message=message)

    answers = {answer.request_id: answer for answer in stub.BeforeStream(requests(), timeout=10)}
    assert len(answers) == 200
    for request_id, answer in answers.items():
        blocked = answer.action == pb.ACTION_BLOCK
        assert blocked == (int(request_id) % 2 == 1)


def test_after_events_are_delivered(hooks, business):
    stub, pb, callgate = hooks(asking(business.url))
    message = pb.Message(
        send_id="user1", recv_id="user2", server_msg_id="m1", content='{"content":"hello"}'
    )
    event = pb.AfterEvent(hook="afterSendSingleMsg", message=message)
    answer = stub.After(pb.AfterRequest(events=[event, event]), timeout=5)
    assert list(answer.results) == [pb.AFTER_RESULT_STORED, pb.AFTER_RESULT_DUPLICATE]
    path, headers, body = business.wait_for(1)[0]
    assert path == "/callback/callbackAfterSendSingleMsgCommand"
    assert headers["webhook-id"] == answer.ids[0]
    assert json.loads(body)["serverMsgID"] == "m1"
    deadline = time.monotonic() + PATIENCE_S
    while callgate.status()["outbox"]["endpoints"]["business"]["delivered"] != 1:
        assert time.monotonic() < deadline, callgate.status()
        time.sleep(0.02)


def test_an_unmodified_server_may_call_over_http(hooks, business):
    _, _, callgate = hooks(asking(business.url))
    body = json.dumps(
        {
            "sendID": "user1",
            "callbackCommand": "callbackBeforeMsgModifyCommand",
            "contentType": 101,
            "content": json.dumps({"content": "damn"}),
        }
    )
    headers, answer = callgate.post("/openim/callbackBeforeMsgModifyCommand", body.encode())
    assert json.loads(answer)["nextCode"] == 1
    assert headers["x-callgate-reviewed"] == "true"


def test_capabilities(hooks, business):
    stub, pb, _ = hooks(asking(business.url))
    answer = stub.Capabilities(pb.CapabilitiesRequest(), timeout=5)
    names = {hook.hook for hook in answer.hooks}
    assert names == {"beforeSendSingleMsg", "beforeMsgModify", "afterSendSingleMsg"}


def test_reflection_describes_the_service(hooks, business):
    _, _, callgate = hooks(asking(business.url))
    database = ProtoReflectionDescriptorDatabase(callgate.channel)
    assert "callgate.v1.HookService" in database.get_services()
    pool = descriptor_pool.DescriptorPool(database)
    service = pool.FindServiceByName("callgate.v1.HookService")
    assert {method.name for method in service.methods} == {
        "Before",
        "BeforeStream",
        "After",
        "Capabilities",
    }

"""Signatures are verified by the reference library of Standard Webhooks, not by our own code.

That library knows secrets that both sides have; those of key pairs are verified by `cryptography`.
"""

import base64
import json
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_YSBuZXcgc2VjcmV0IG9mIDMyIGJ5dGVzIGZvciB0ZXN0cyE="
STRANGER = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM="
PATIENCE_S = 10


def signing(business, secret, events="timeout: 5s"):
    return (
        f"endpoints: {{business: {{url: '{business.url}', events: {{{events}}},\n"
        f"  sign: {{secret_file: {secret}, before: true}}}}}}\n"
        "hooks:\n"
        "  beforeSendSingleMsg: {endpoint: business}\n"
        "  afterSendSingleMsg: {endpoint: business}\n"
    )


def verified(request, secret):
    """The body, if the signature is good; the library checks the time as well."""
    _, headers, body = request
    return Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})


def encoded(prefix, key):
    return prefix + base64.b64encode(key).decode()


def fresh_pair():
    """A new private key, as a secret file has it, and its public one."""
    key = Ed25519PrivateKey.generate()
    seed, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return encoded("whsk_", seed), encoded("whpk_", public)


def verified_by(request, public):
    """The body, if one of its signatures is of this public key; else InvalidSignature."""
    _, headers, body = request
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    error = InvalidSignature("no signature of a key pair")
    for version, signature in (one.split(",") for one in headers["webhook-signature"].split(" ")):
        if version == "v1a":
            try:
                key.verify(base64.b64decode(signature), signed)
                return json.loads(body)
            except InvalidSignature as bad:
                error = bad
    raise error


def public_keys(callgate):
    return callgate.status()["endpoints"][0]["public_keys"]


def tell(pb, pb_grpc, callgate, name):
    message = pb.Message(
        send_id="user1", recv_id="user2", server_msg_id=name, content='{"content":"\u4f60\u597d"}'
    )
    event = pb.AfterEvent(hook="afterSendSingleMsg", message=message)
    stub = pb_grpc.HookServiceStub(callgate.channel)
    return stub.After(pb.AfterRequest(events=[event]), timeout=5)


def test_events_and_calls_are_verified_by_the_reference_library(api, start, business, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(OLD)
    callgate = start(signing(business, secret))
    pb, pb_grpc = api
    answer = tell(pb, pb_grpc, callgate, "m1")
    request = business.wait_for(1)[0]
    assert verified(request, OLD)["serverMsgID"] == "m1"
    assert request[1]["webhook-id"] == answer.ids[0]
    for wrong in (NEW, STRANGER):
        with pytest.raises(WebhookVerificationError):
            verified(request, wrong)
    message = pb.Message(send_id="user1", recv_id="user2", content='{"content":"hello"}')
    before = pb.BeforeRequest(hook="beforeSendSingleMsg", message=message)
    pb_grpc.HookServiceStub(callgate.channel).Before(before, timeout=5)
    asked = verified(business.wait_for(2)[1], OLD)
    assert asked["callbackCommand"] == "callbackBeforeSendSingleMsgCommand"


def test_while_secrets_overlap_both_verify_and_then_one(api, start, business, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(f"{NEW}\n{OLD}\n")
    callgate = start(signing(business, secret))
    pb, pb_grpc = api
    tell(pb, pb_grpc, callgate, "m1")
    both = business.wait_for(1)[0]
    assert verified(both, OLD) == verified(both, NEW)
    secret.write_text(NEW)
    # A changed file is noticed within a second.
    time.sleep(1.2)
    tell(pb, pb_grpc, callgate, "m2")
    one = business.wait_for(2)[1]
    assert verified(one, NEW)["serverMsgID"] == "m2"
    with pytest.raises(WebhookVerificationError):
        verified(one, OLD)


def test_an_attempt_is_signed_anew_and_keeps_its_id(api, start, business, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(OLD)
    policy = signing(business, secret).replace("sign:", "retry_waits: [2s], sign:")
    callgate = start(policy)
    business.status = 503
    pb, pb_grpc = api
    tell(pb, pb_grpc, callgate, "m1")
    business.wait_for(1)
    deadline = time.monotonic() + PATIENCE_S
    while callgate.status()["outbox"]["endpoints"]["business"]["failing_since_ms"] is None:
        assert time.monotonic() < deadline, callgate.status()
        time.sleep(0.02)
    business.status = 200
    first, second = business.wait_for(2)
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[1]["webhook-timestamp"] != second[1]["webhook-timestamp"]
    assert first[2] == second[2]
    assert verified(first, OLD) == verified(second, OLD)


def test_a_batch_of_cloudevents_is_verified(api, start, business, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(OLD)
    callgate = start(signing(business, secret, "format: cloudevents, batch_wait: 100ms"))
    pb, pb_grpc = api
    message = [
        pb.Message(send_id="user1", recv_id=f"user{n}", server_msg_id=f"m{n}", content="{}")
        for n in range(3)
    ]
    events = [pb.AfterEvent(hook="afterSendSingleMsg", message=one) for one in message]
    pb_grpc.HookServiceStub(callgate.channel).After(pb.AfterRequest(events=events), timeout=5)
    request = business.wait_for(1)[0]
    batch = verified(request, OLD)
    assert request[1]["Content-Type"].startswith("application/cloudevents-batch+json")
    assert [item["data"]["serverMsgID"] for item in batch] == ["m0", "m1", "m2"]
    for item in batch:
        assert item["specversion"] == "1.0"
        assert {"id", "source", "type", "time"} <= item.keys()


def test_events_and_calls_are_verified_with_a_public_key(api, start, business, tmp_path):
    private, public = fresh_pair()
    secret = tmp_path / "secret"
    secret.write_text(private)
    callgate = start(signing(business, secret))
    # An operator finds it in both places, and the private one in neither.
    assert public_keys(callgate) == [public]
    assert f'public_keys="{public}"' in callgate.log()
    pb, pb_grpc = api
    tell(pb, pb_grpc, callgate, "m1")
    request = business.wait_for(1)[0]
    assert verified_by(request, public)["serverMsgID"] == "m1"
    with pytest.raises(InvalidSignature):
        verified_by(request, fresh_pair()[1])
    path, headers, body = request
    with pytest.raises(InvalidSignature):
        verified_by((path, headers, body + b" "), public)
    message = pb.Message(send_id="user1", recv_id="user2", content='{"content":"hello"}')
    before = pb.BeforeRequest(hook="beforeSendSingleMsg", message=message)
    pb_grpc.HookServiceStub(callgate.channel).Before(before, timeout=5)
    asked = verified_by(business.wait_for(2)[1], public)
    assert asked["callbackCommand"] == "callbackBeforeSendSingleMsgCommand"
    # With its public key behind it, it is the same key.
    whole = base64.b64decode(private[5:]) + base64.b64decode(public[5:])
    secret.write_text(encoded("whsk_", whole))
    time.sleep(1.2)
    tell(pb, pb_grpc, callgate, "m2")
    assert verified_by(business.wait_for(3)[2], public)["serverMsgID"] == "m2"
    seen = callgate.log() + json.dumps(callgate.status())
    assert private[5:47] not in seen


def test_a_shared_secret_gives_way_to_a_pair_of_keys(api, start, business, tmp_path):
    private, public = fresh_pair()
    secret = tmp_path / "secret"
    secret.write_text(OLD)
    callgate = start(signing(business, secret))
    pb, pb_grpc = api
    tell(pb, pb_grpc, callgate, "m1")
    only_shared = business.wait_for(1)[0]
    verified(only_shared, OLD)
    assert public_keys(callgate) == []
    secret.write_text(f"{private}\n{OLD}\n")
    time.sleep(1.2)
    tell(pb, pb_grpc, callgate, "m2")
    both = business.wait_for(2)[1]
    assert verified(both, OLD) == verified_by(both, public)
    assert public_keys(callgate) == [public]
    secret.write_text(private)
    time.sleep(1.2)
    tell(pb, pb_grpc, callgate, "m3")
    only_pair = business.wait_for(3)[2]
    assert verified_by(only_pair, public)["serverMsgID"] == "m3"
    with pytest.raises(WebhookVerificationError):
        verified(only_pair, OLD)


def test_a_bad_private_key_is_told_and_not_printed(api, start, business, tmp_path):
    private, public = fresh_pair()
    secret = tmp_path / "secret"
    # Half of it, then one whose second half is of another pair, then the public one.
    torn = base64.b64decode(private[5:]) + base64.b64decode(fresh_pair()[1][5:])
    slips = [
        (encoded("whsk_", base64.b64decode(private[5:])[:16]), "has 16 bytes, and a private key"),
        (encoded("whsk_", torn), "are not the public key of the first 32"),
        (public, "is a public key, which signs nothing"),
    ]
    secret.write_text(private)
    callgate = start(signing(business, secret))
    pb, pb_grpc = api
    secret.write_text(slips[0][0])
    # A change is looked for once a second.
    time.sleep(1.1)
    tell(pb, pb_grpc, callgate, "m1")
    for text, said in slips:
        secret.write_text(text)
        deadline = time.monotonic() + PATIENCE_S
        while said not in callgate.log():
            assert time.monotonic() < deadline, callgate.log()
            time.sleep(0.02)
    assert business.requests == []
    secret.write_text(private)
    assert verified_by(business.wait_for(1)[0], public)["serverMsgID"] == "m1"
    seen = callgate.log() + json.dumps(callgate.status())
    for part in (private[5:25], private[25:45]):
        assert part not in seen


def test_no_secret_is_in_the_log_or_the_status(api, start, business, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(OLD)
    callgate = start(signing(business, secret))
    pb, pb_grpc = api
    # With a slip: the prefix is missing.
    secret.write_text(OLD.removeprefix("whsec_"))
    time.sleep(1.1)
    tell(pb, pb_grpc, callgate, "m1")
    deadline = time.monotonic() + PATIENCE_S
    while "does not begin with `whsec_`" not in callgate.log():
        assert time.monotonic() < deadline, callgate.log()
        time.sleep(0.02)
    assert business.requests == []
    secret.write_text(OLD)
    verified(business.wait_for(1)[0], OLD)
    seen = callgate.log() + json.dumps(callgate.status())
    assert OLD.removeprefix("whsec_") not in seen

//! The recordings of WuKongIM, over HTTP and over its own gRPC.

use std::collections::BTreeMap;

use callgate::event::DialectId;
use callgate::proto::wkhook::webhook_service_client::WebhookServiceClient;
use callgate::proto::wkhook::{EventReq, EventStatus};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ARRIVED_WITHIN, Call, all_hooks, assert_canonical, recording};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Request, http, wait_for};

type Send = fn(&Callgate, &[Call]);

/// Each element of the server's arrays, by its event, byte for byte.
fn elements(query: &str, body: &str) -> Vec<(String, String)> {
    let items: Vec<&RawValue> = match body.starts_with('[') {
        true => serde_json::from_str(body).unwrap(),
        false => vec![serde_json::from_str(body).unwrap()],
    };
    let named = |item: &RawValue| (query.to_owned(), item.get().to_owned());
    items.into_iter().map(named).collect()
}

fn arrived_elements(business: &Business) -> Vec<(String, String)> {
    let of = |request: &Request| {
        assert_eq!(request.header("content-type"), "application/json");
        let query = request.path.trim_start_matches("/callback?");
        elements(query, std::str::from_utf8(&request.body).unwrap())
    };
    business.requests().iter().flat_map(of).collect()
}

/// `msg.notify` keeps the order of a channel; `msg.offline` is sent by several at a time.
fn assert_channels_in_order(sent: &[(String, String)], arrived: &[(String, String)]) {
    let channels = |all: &[(String, String)]| {
        let mut channels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (query, item) in all.iter().filter(|(query, _)| query.contains("msg.notify")) {
            let tree: Value = serde_json::from_str(item).unwrap();
            let (kind, id) = (&tree["channel_type"], &tree["channel_id"]);
            // Of two persons, each direction keeps its order.
            let channel = format!("{query} {kind} {id} {}", tree["from_uid"]);
            channels.entry(channel).or_default().push(item.clone());
        }
        channels
    };
    assert_eq!(channels(arrived), channels(sent));
}

fn sent_elements(recorded: &[Call]) -> Vec<(String, String)> {
    let query = |call: &Call| match call.event.as_str() {
        "" => call.target.split_once('?').unwrap().1.to_owned(),
        event => format!("event={event}"),
    };
    recorded
        .iter()
        .flat_map(|call| elements(&query(call), &call.body))
        .collect()
}

fn replay(name: &str, send: Send) {
    let business = Business::start(Behaviour::answer(""));
    let callgate = all_hooks(DialectId::WukongIm, &business.url()).start();
    let recorded = recording(name);
    send(&callgate, &recorded);
    let mut sent = sent_elements(&recorded);
    wait_for(name, ARRIVED_WITHIN, || {
        (arrived_elements(&business).len() >= sent.len()).then_some(())
    });
    let mut arrived = arrived_elements(&business);
    assert_channels_in_order(&sent, &arrived);
    sent.sort();
    arrived.sort();
    assert_eq!(arrived, sent);
}

/// Nothing that was acknowledged is lost; what was under way may come twice, and the same line of
/// presence may be said several times.
fn replay_with_a_kill(name: &str, send: Send) {
    let business =
        Business::start(Behaviour::answer("").after(std::time::Duration::from_millis(1)));
    let mut callgate = all_hooks(DialectId::WukongIm, &business.url()).start();
    let recorded = recording(name);
    let (first, second) = recorded.split_at(recorded.len() / 2);
    send(&callgate, first);
    callgate = callgate.kill().start();
    send(&callgate, second);
    let sent = sent_elements(&recorded);
    let count = |all: &[(String, String)], one: &(String, String)| {
        all.iter().filter(|other| *other == one).count()
    };
    wait_for(name, ARRIVED_WITHIN, || {
        let arrived = arrived_elements(&business);
        let is_there = |one| count(&arrived, one) >= count(&sent, one);
        sent.iter().all(is_there).then_some(())
    });
    let mut arrived = arrived_elements(&business);
    assert!(arrived.iter().all(|one| sent.contains(one)));
    // Repeats aside, each channel is in order.
    let mut seen: Vec<(String, String)> = Vec::new();
    arrived.retain(|one| {
        let is_new = count(&seen, one) < count(&sent, one);
        if is_new {
            seen.push(one.clone());
        }
        is_new
    });
    assert_channels_in_order(&sent, &arrived);
}

fn over_http(callgate: &Callgate, calls: &[Call]) {
    let mut connection = http::Connection::open(callgate.http);
    for call in calls {
        assert_canonical(call, &call.post(&mut connection));
    }
}

fn over_grpc(callgate: &Callgate, calls: &[Call]) {
    let grpc = callgate.grpc();
    let mut client = WebhookServiceClient::new(grpc.channel.clone());
    for call in calls {
        let request = EventReq {
            event: call.event.clone(),
            data: call.body.clone().into(),
        };
        let sending = client.send_webhook(request);
        let answer = grpc.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, sending)
                .await
                .unwrap()
                .unwrap()
        });
        assert_eq!(answer.into_inner().status, EventStatus::Success as i32);
    }
}

macro_rules! replays {
    ($($whole:ident $killed:ident $name:literal $send:ident)*) => {
        $(
            #[test]
            fn $whole() {
                replay($name, $send);
            }

            #[test]
            fn $killed() {
                replay_with_a_kill($name, $send);
            }
        )*
    };
}

replays! {
    wukongim_1_2_6 wukongim_1_2_6_with_a_kill_in_the_middle "wukongim-1.2.6-http" over_http
    wukongim_2_2_5 wukongim_2_2_5_with_a_kill_in_the_middle "wukongim-2.2.5-http" over_http
    wukongim_2_2_5_over_grpc wukongim_2_2_5_over_grpc_with_a_kill_in_the_middle "wukongim-2.2.5-grpc" over_grpc
    wukongim_main wukongim_main_with_a_kill_in_the_middle "wukongim-main-http" over_http
}

//! A message service.

use std::net::SocketAddr;

use callgate::proto::v1;
use callgate::proto::v1::hook_service_client::HookServiceClient;

use super::load;

/// Asks about messages, one after the other on one connection; `which` is the part of the hook's
/// name that says to whom.
pub fn calls(address: SocketAddr, which: &'static str, count: u64) {
    let calling = load(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let client = HookServiceClient::connect(format!("http://{address}"));
            let mut client = client.await.expect("callgate listens");
            for _ in 0..count {
                let answer = client.before(request(which)).await;
                assert_eq!(
                    answer.unwrap().into_inner().action,
                    v1::Action::Allow as i32
                );
            }
        });
    });
    calling.join().expect("every call is answered");
}

fn request(which: &str) -> v1::BeforeRequest {
    v1::BeforeRequest {
        hook: format!("before{which}"),
        operation_id: "37a60d50".to_owned(),
        message: Some(v1::Message {
            send_id: "4459135218".to_owned(),
            recv_id: "6074729403".to_owned(),
            client_msg_id: "f4ff79f97195113e3048bbfedb5748b6".to_owned(),
            server_msg_id: "0b2676769e9eceb4983cb12966586f48".to_owned(),
            sender_nickname: "Alice".to_owned(),
            content: "{\"content\":\"see you tomorrow\"}".to_owned(),
            ..v1::Message::default()
        }),
        ..v1::BeforeRequest::default()
    }
}

//! `wkhook.WebhookService`: WuKongIM's webhook over gRPC, with the bytes of its HTTP bodies.
//!
//! `Status` of an answer must be set: its zero is `Error`, and the server repeats or loses what it
//! sent. Every version but v3 has this.
//! Source: WuKongIM v2.2.5, `pkg/wkhook/webhook.proto`.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::caller::{known_of, wants};
use super::connection::Peer;
use super::deadline;
use super::webhook::{Origin, Webhooks};
use crate::dialect::{Call, Head};
use crate::event::DialectId;
use crate::proto::wkhook::webhook_service_server::{WebhookService, WebhookServiceServer};
use crate::proto::wkhook::{EventReq, EventResp, EventStatus};

/// The service, ready to be added to a server. A longer message than `message_bytes_max` is
/// refused with RESOURCE_EXHAUSTED.
pub(super) fn webhook_service(
    webhooks: Arc<Webhooks>,
    message_bytes_max: usize,
) -> WebhookServiceServer<impl WebhookService> {
    WebhookServiceServer::new(WukongIm { webhooks }).max_decoding_message_size(message_bytes_max)
}

struct WukongIm {
    webhooks: Arc<Webhooks>,
}

#[tonic::async_trait]
impl WebhookService for WukongIm {
    async fn send_webhook(
        &self,
        request: Request<EventReq>,
    ) -> Result<Response<EventResp>, Status> {
        let peer: Option<&Peer> = request.extensions().get();
        let origin = Origin {
            received: Instant::now(),
            address: peer.map(Peer::address),
            traceparent: None,
            wants: wants(request.metadata().as_ref()),
            waits: deadline::said(request.metadata().as_ref()),
            caller: known_of(&request),
        };
        let EventReq { event, data } = request.into_inner();
        let query = format!("event={event}");
        let call = Call {
            head: Head::at("", &query),
            body: data,
        };
        let dialect = self.webhooks.dialect(DialectId::WukongIm);
        let answered = self.webhooks.take(dialect, &call, None, origin).await;
        let status = match answered.reply.status {
            403 => {
                return Err(Status::permission_denied(
                    "this caller may not call this hook",
                ));
            }
            200 => EventStatus::Success,
            _ => EventStatus::Error,
        };
        Ok(Response::new(EventResp {
            status: status as i32,
            data: answered.reply.body,
        }))
    }
}

//! `callgate.v1.AdminService`.

use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::{Admin, outbox, status};
use crate::policy::{Problem, Severity, Version};
use crate::proto::v1;
use crate::proto::v1::admin_service_server::{AdminService, AdminServiceServer};

/// The service, ready to be added to the operators' port.
pub fn admin_service(admin: Admin) -> AdminServiceServer<impl AdminService> {
    AdminServiceServer::new(Orders { admin })
}

struct Orders {
    admin: Admin,
}

#[tonic::async_trait]
impl AdminService for Orders {
    async fn status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let json = status::json(&self.admin).await;
        Ok(Response::new(v1::StatusResponse { json }))
    }

    async fn reload(
        &self,
        _: Request<v1::ReloadRequest>,
    ) -> Result<Response<v1::ReloadResponse>, Status> {
        let policies = self.admin.policies.clone();
        // Reading and compiling block; a worker of the server must not.
        let reloaded = tokio::task::spawn_blocking(move || policies.reload())
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        if reloaded.changed {
            let snapshot = self.admin.policies.current();
            self.admin
                .callbacks
                .keep_only(snapshot.endpoints().map(AsRef::as_ref));
        }
        Ok(Response::new(v1::ReloadResponse {
            policy_version: Some(version(&reloaded.version)),
            changed: reloaded.changed,
            problems: reloaded.problems.into_iter().map(problem).collect(),
        }))
    }

    async fn versions(
        &self,
        _: Request<v1::VersionsRequest>,
    ) -> Result<Response<v1::VersionsResponse>, Status> {
        let versions = self.admin.policies.versions();
        let versions = versions
            .iter()
            .map(|loaded| v1::versions_response::Item {
                version: Some(version(&loaded.version)),
                loaded_at_ms: loaded.at_ms as i64,
            })
            .collect();
        Ok(Response::new(v1::VersionsResponse { versions }))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let request = request.into_inner().request.unwrap_or_default();
        let event = crate::server::before_event(request).map_err(|invalid| invalid.status())?;
        let explanation = self.admin.policies.current().explain(&event);
        let json = serde_json::to_string(&explanation)
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(v1::ExplainResponse { json }))
    }

    async fn outbox_status(
        &self,
        _: Request<v1::OutboxStatusRequest>,
    ) -> Result<Response<v1::OutboxStatusResponse>, Status> {
        let status = outbox::status(&*self.admin.outbox).await?;
        Ok(Response::new(status))
    }

    async fn dead_letters(
        &self,
        request: Request<v1::DeadLettersRequest>,
    ) -> Result<Response<v1::DeadLettersResponse>, Status> {
        let page = outbox::dead(&*self.admin.outbox, request.into_inner()).await?;
        Ok(Response::new(page))
    }

    type ReplayDeadStream = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

    async fn replay_dead(
        &self,
        request: Request<v1::ReplayDeadRequest>,
    ) -> Result<Response<Self::ReplayDeadStream>, Status> {
        let outbox = self.admin.outbox.clone();
        Ok(Response::new(outbox::replay(outbox, request.into_inner())?))
    }

    type DiscardEventsStream = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

    async fn discard_events(
        &self,
        request: Request<v1::DiscardEventsRequest>,
    ) -> Result<Response<Self::DiscardEventsStream>, Status> {
        let outbox = self.admin.outbox.clone();
        Ok(Response::new(outbox::discard(
            outbox,
            request.into_inner(),
        )?))
    }
}

fn version(version: &Version) -> v1::PolicyVersion {
    v1::PolicyVersion {
        number: version.number,
        hash: version.hash.to_string(),
    }
}

fn problem(problem: Problem) -> v1::Problem {
    v1::Problem {
        file: problem.file,
        line: problem.line,
        column: problem.column,
        path: problem.path,
        what: problem.what,
        way_out: problem.way_out,
        severity: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
        .to_owned(),
    }
}

//! `callgate.v1.AdminService`.

use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::acts::Asked;
use super::shown::Admin;
use super::{operators, orders, outbox, status};
use crate::audit::{Act, Begun};
use crate::callback::preview;
use crate::operators::Capability;
use crate::policy::Version;
use crate::proto::v1;
use crate::proto::v1::admin_service_server::{AdminService, AdminServiceServer};
use crate::rooms::{Record, RoomsError};
use crate::settings::{Problem, Severity};

/// Rooms on a page.
const PAGE_ROOMS_MAX: u32 = 1000;

/// The service, ready to be added to the operators' port.
pub(super) fn admin_service(admin: Admin) -> AdminServiceServer<impl AdminService> {
    AdminServiceServer::new(AdminApi { admin })
}

struct AdminApi {
    admin: Admin,
}

#[tonic::async_trait]
impl AdminService for AdminApi {
    async fn status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let json = status::json(&self.admin).await;
        Ok(Response::new(v1::StatusResponse { json }))
    }

    async fn reload(
        &self,
        request: Request<v1::ReloadRequest>,
    ) -> Result<Response<v1::ReloadResponse>, Status> {
        let asked = Asked::of(&request)?;
        let begun = asked.begin(Act::new("policy.reload", asked.who())).await?;
        let policies = self.admin.policies.clone();
        // Reading and compiling block; a worker of the server must not.
        let reload = move || {
            let reloaded = policies.reload();
            match reloaded
                .problems
                .iter()
                .filter(|problem| problem.severity == Severity::Error)
                .count()
            {
                0 => begun.done(),
                errors => begun.failed(&format!("the files have {errors} error(s)")),
            }
            reloaded
        };
        let reloaded = tokio::task::spawn_blocking(reload)
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
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
        let snapshot = self.admin.policies.current();
        // A long text takes long, and this thread answers all who watch.
        let explaining = tokio::task::spawn_blocking(move || {
            serde_json::to_string(&snapshot.explain(&event, &preview))
        });
        let explained = explaining
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        let json = explained.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(v1::ExplainResponse { json }))
    }

    async fn outbox_status(
        &self,
        _: Request<v1::OutboxStatusRequest>,
    ) -> Result<Response<v1::OutboxStatusResponse>, Status> {
        let limits = self.admin.outbox_limits;
        let status = outbox::status(&*self.admin.outbox, limits, self.admin.clock).await?;
        Ok(Response::new(status))
    }

    async fn dead_letters(
        &self,
        request: Request<v1::DeadLettersRequest>,
    ) -> Result<Response<v1::DeadLettersResponse>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        self.admin.check_names(request.filter.as_ref()).await?;
        let shown = request
            .show
            .then(|| orders::show_dead(asked.who(), &request));
        if let Some(act) = &shown {
            asked.must(Capability::Text, act.clone())?;
        }
        let page = outbox::dead(&*self.admin.outbox, request).await?;
        if let Some(act) = shown.filter(|_| !page.letters.is_empty()) {
            asked
                .record(act.count("events", page.letters.len() as u64))
                .await?;
        }
        Ok(Response::new(page))
    }

    async fn discarded_events(
        &self,
        request: Request<v1::DiscardedEventsRequest>,
    ) -> Result<Response<v1::DiscardedEventsResponse>, Status> {
        let request = request.into_inner();
        self.admin.check_names(request.filter.as_ref()).await?;
        let page = outbox::discarded(&*self.admin.outbox, request).await?;
        Ok(Response::new(page))
    }

    type ReplayDeadStream = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

    async fn replay_dead(
        &self,
        request: Request<v1::ReplayDeadRequest>,
    ) -> Result<Response<Self::ReplayDeadStream>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        self.admin.check_names(request.filter.as_ref()).await?;
        let act = orders::replay(asked.who(), &request);
        let counts_only = request.dry_run;
        let outbox = self.admin.outbox.clone();
        let progress = outbox::replay(outbox, request, self.admin.clock)?;
        if counts_only {
            return Ok(Response::new(progress));
        }
        let begun = asked.begin(act).await?;
        Ok(Response::new(orders::audited(progress, begun)))
    }

    type DiscardEventsStream = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

    async fn discard_events(
        &self,
        request: Request<v1::DiscardEventsRequest>,
    ) -> Result<Response<Self::DiscardEventsStream>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        self.admin.check_names(request.filter.as_ref()).await?;
        let act = orders::discard(asked.who(), &request);
        let counts_only = request.dry_run;
        let outbox = self.admin.outbox.clone();
        let progress = outbox::discard(outbox, request, self.admin.clock)?;
        if counts_only {
            return Ok(Response::new(progress));
        }
        let begun = asked.begin(act).await?;
        Ok(Response::new(orders::audited(progress, begun)))
    }

    async fn pending_events(
        &self,
        request: Request<v1::PendingEventsRequest>,
    ) -> Result<Response<v1::PendingEventsResponse>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        self.admin.check_names(request.filter.as_ref()).await?;
        let shown = request
            .show
            .then(|| orders::show_pending(asked.who(), &request));
        if let Some(act) = &shown {
            asked.must(Capability::Text, act.clone())?;
        }
        let page = outbox::pending(&*self.admin.outbox, request).await?;
        if let Some(act) = shown.filter(|_| !page.events.is_empty()) {
            asked
                .record(act.count("events", page.events.len() as u64))
                .await?;
        }
        Ok(Response::new(page))
    }

    type RetryPendingStream = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

    async fn retry_pending(
        &self,
        request: Request<v1::RetryPendingRequest>,
    ) -> Result<Response<Self::RetryPendingStream>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        self.admin.check_names(request.filter.as_ref()).await?;
        let begun = asked.begin(orders::retry(asked.who(), &request)).await?;
        let outbox = self.admin.outbox.clone();
        let progress = outbox::retry(outbox, request, self.admin.clock);
        Ok(Response::new(orders::audited(progress, begun)))
    }

    async fn rooms(
        &self,
        request: Request<v1::RoomsRequest>,
    ) -> Result<Response<v1::RoomsResponse>, Status> {
        let v1::RoomsRequest { after, limit } = request.into_inner();
        let limit = match limit {
            0 => PAGE_ROOMS_MAX,
            limit => limit.min(PAGE_ROOMS_MAX),
        };
        // One more than asked for says whether there are more.
        let mut page = self.admin.rooms.page(&after, limit as usize + 1);
        let more = page.len() > limit as usize;
        page.truncate(limit as usize);
        let rooms = page.into_iter().map(room).collect();
        Ok(Response::new(v1::RoomsResponse { rooms, more }))
    }

    async fn set_room(
        &self,
        request: Request<v1::SetRoomRequest>,
    ) -> Result<Response<v1::Room>, Status> {
        let asked = Asked::of(&request)?;
        let v1::SetRoomRequest {
            id,
            webhook,
            bot_state,
        } = request.into_inner();
        // Not the URL: whoever has it can often speak for the bot.
        let act = Act::new("rooms.set", asked.who()).on(format!("room `{id}`"));
        let begun = asked.begin(act).await?;
        let rooms = self.admin.rooms.clone();
        let set = move || rooms.set(&id, &webhook, bot_state.as_deref());
        Ok(Response::new(room(on_disk(begun, set).await?)))
    }

    async fn remove_room(
        &self,
        request: Request<v1::RemoveRoomRequest>,
    ) -> Result<Response<v1::RemoveRoomResponse>, Status> {
        let asked = Asked::of(&request)?;
        let id = request.into_inner().id;
        let act = Act::new("rooms.remove", asked.who()).on(format!("room `{id}`"));
        let begun = asked.begin(act).await?;
        let rooms = self.admin.rooms.clone();
        let removing = id.clone();
        match on_disk(begun, move || rooms.remove(&removing)).await? {
            true => Ok(Response::new(v1::RemoveRoomResponse {})),
            false => Err(Status::not_found(format!("no room `{id}` is kept"))),
        }
    }

    async fn operators(
        &self,
        _: Request<v1::OperatorsRequest>,
    ) -> Result<Response<v1::OperatorsResponse>, Status> {
        Ok(Response::new(operators::list(&self.admin.operators)))
    }

    async fn invite_operator(
        &self,
        request: Request<v1::InviteOperatorRequest>,
    ) -> Result<Response<v1::InviteOperatorResponse>, Status> {
        let asked = Asked::of(&request)?;
        let invited = operators::invite(&self.admin, &asked, request.into_inner()).await?;
        Ok(Response::new(invited))
    }

    async fn set_operator(
        &self,
        request: Request<v1::SetOperatorRequest>,
    ) -> Result<Response<v1::Operator>, Status> {
        let asked = Asked::of(&request)?;
        let set = operators::set(&self.admin, &asked, request.into_inner(), "").await?;
        Ok(Response::new(set))
    }

    async fn make_token(
        &self,
        request: Request<v1::MakeTokenRequest>,
    ) -> Result<Response<v1::MakeTokenResponse>, Status> {
        let asked = Asked::of(&request)?;
        let made = operators::make_token(&self.admin, &asked, request.into_inner()).await?;
        Ok(Response::new(made))
    }

    async fn remove_token(
        &self,
        request: Request<v1::RemoveTokenRequest>,
    ) -> Result<Response<v1::RemoveTokenResponse>, Status> {
        let asked = Asked::of(&request)?;
        let id = request.into_inner().id;
        operators::remove_token(&self.admin.operators, &asked, id).await?;
        Ok(Response::new(v1::RemoveTokenResponse {}))
    }
}

/// Runs what writes to the rooms' file away from the server's workers, and records how it ended.
async fn on_disk<T: Send + 'static>(
    begun: Begun,
    order: impl FnOnce() -> Result<T, RoomsError> + Send + 'static,
) -> Result<T, Status> {
    let recorded = move || {
        let done = order();
        match &done {
            Ok(_) => begun.done(),
            Err(error) => begun.failed(&error.to_string()),
        }
        done
    };
    let done = tokio::task::spawn_blocking(recorded)
        .await
        .map_err(|error| Status::internal(error.to_string()))?;
    done.map_err(|error| match error {
        RoomsError::Full => Status::resource_exhausted(error.to_string()),
        RoomsError::Text(_) | RoomsError::Url(_) => Status::invalid_argument(error.to_string()),
        RoomsError::File(_) | RoomsError::Folder(_) | RoomsError::Foreign(_) => {
            Status::unavailable(error.to_string())
        }
    })
}

fn room(record: Record) -> v1::Room {
    v1::Room {
        id: record.id,
        webhook: record.webhook,
        bot_state: record.bot_state,
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
        way_out: problem.hint,
        severity: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
        .to_owned(),
    }
}

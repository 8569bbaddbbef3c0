//! Asking a running server over its JSON API: the same way to it, and the same token, as over gRPC.

use std::fmt;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::client::{CONNECT_TIMEOUT, place, shake, tls_for};
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::reach::Reach;

/// A longer line of a streamed answer is no answer of callgate.
const LINE_BYTES_MAX: usize = 16 << 20;

/// The API of a running server.
pub(super) struct Api<'a> {
    reach: &'a Reach,
}

/// What came back from a call that went well.
pub(super) struct Answered {
    pub body: Value,
}

/// Why a server did not do what it was asked for.
#[derive(Debug)]
pub(super) struct Declined {
    pub status: u16,
    pub params: Value,
    message: String,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Declined {}

impl Declined {
    /// The exit code of a command that was declined: what can be put right in its arguments, or not.
    pub(super) fn exit(&self) -> u8 {
        match self.status {
            400 | 404 | 409 | 412 | 413 | 422 | 428 => EXIT_BAD_INPUT,
            _ => EXIT_NO_SERVER,
        }
    }
}

/// One part of a path, whatever is in it.
pub(super) fn part(name: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~".contains(byte);
    let escaped = name.bytes().map(|byte| match is_plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

impl Api<'_> {
    pub(super) fn at(reach: &Reach) -> Api<'_> {
        Api { reach }
    }

    /// Reads a document or one page of a list. `path` is what stands behind `/api/v1`.
    ///
    /// Errors: [`Declined`], or there is no server.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let answer = self.call(Method::GET, path, query, None, None).await?;
        Ok(whole(answer).await?.body)
    }

    /// Reads a list to its end, page by page, until `each` says false.
    pub(super) async fn each(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut each: impl FnMut(Value) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut cursor = String::new();
        loop {
            let mut asked = query.to_vec();
            if !cursor.is_empty() {
                asked.push(("cursor", &cursor));
            }
            let mut page = self.get(path, &asked).await?;
            if let Value::Array(items) = page["items"].take() {
                for item in items {
                    if !each(item)? {
                        return Ok(());
                    }
                }
            }
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(()),
            }
        }
    }

    /// Has something done.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        if_match: Option<&str>,
    ) -> anyhow::Result<Answered> {
        whole(self.call(method, path, &[], Some(body), if_match).await?).await
    }

    /// Reads an answer of many lines as it comes.
    pub(super) async fn lines(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut each: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let answer = self.call(Method::GET, path, query, None, None).await?;
        let mut body = good(answer).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the answer broke off")?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            rest.extend_from_slice(&data);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
                if rest.len() > LINE_BYTES_MAX {
                    return Err(anyhow!("a line of the answer has no end"));
                }
                continue;
            };
            for line in rest[..end].split(|byte| *byte == b'\n') {
                each(&String::from_utf8_lossy(line))?;
            }
            rest.drain(..=end);
        }
        if !rest.is_empty() {
            each(&String::from_utf8_lossy(&rest))?;
        }
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        if_match: Option<&str>,
    ) -> anyhow::Result<Response<Incoming>> {
        let url = self.reach.url.trim_end_matches('/');
        let uri: Uri = url.parse().with_context(|| {
            format!("`{url}` is not a valid URL; write it like http://127.0.0.1:10007")
        })?;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}{mark}{query}"))
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.reach.token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .context("the token has characters that no token has")?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(tag) = if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body)))?;
        let nobody =
            || format!("no callgate answers at {url}; name its `admin.listen` with --server");
        let (host, port) = place(&uri);
        let answer = match uri.scheme_str() {
            Some("https") => {
                let config = tls_for(self.reach, b"http/1.1")?;
                let stream = shake(&host, port, config).await.with_context(nobody)?;
                exchange(stream, request).await
            }
            _ => {
                let connecting = TcpStream::connect((host, port));
                let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
                let stream = stream.with_context(nobody)?.with_context(nobody)?;
                exchange(stream, request).await
            }
        };
        answer.with_context(nobody)
    }
}

/// One call on a connection of its own.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, which says why where it does not come whole.
    tokio::spawn(connection);
    sender.send_request(request).await
}

async fn whole(answer: Response<Incoming>) -> anyhow::Result<Answered> {
    let answer = good(answer).await?;
    let body = answer
        .into_body()
        .collect()
        .await
        .context("the answer broke off")?;
    let body = body.to_bytes();
    let body = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).context("the server's answer is not JSON")?,
    };
    Ok(Answered { body })
}

async fn good(answer: Response<Incoming>) -> anyhow::Result<Response<Incoming>> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer
        .into_body()
        .collect()
        .await
        .context("the answer broke off")?;
    let body = body.to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| problem[key].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_else(|| {
        let said = String::from_utf8_lossy(&body);
        let hint = "; it is no callgate of this version, or not its operators' port";
        format!("the server answers {status}: {}{hint}", said.trim())
    });
    Err(anyhow::Error::new(Declined {
        status: status.as_u16(),
        params: problem["params"].clone(),
        message,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_holds_any_name() {
        let check = |name: &str, expected: &str| assert_eq!(part(name), expected);
        check("ads-1_x~", "ads-1_x~");
        check("a/b", "a%2Fb");
        check("..", "%2E%2E");
        check("广", "%E5%B9%BF");
        check("a b?c#d%", "a%20b%3Fc%23d%25");
    }
}

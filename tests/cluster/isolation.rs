//! One tenant's namespace that cannot be read: the gateway goes on for all others, and what it does not know it does not call wrong.

use std::task::{Context as Task, Poll};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::http::{Request, Response, StatusCode};
use futures::future::BoxFuture;
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use meta_channel_operator::server::Readiness;
use testkit::wait_for;
use tokio::net::TcpListener;
use tower::{Layer, Service};

use crate::support::env::*;
use crate::support::service_accounts::{Account, GATEWAY, GATEWAY_MAILBOX, rights};
use crate::support::webhook_calls::{BODY, Caller, signature};

const NEW: &str = "sandbox-app-secret-1111111111111111";

/// An application in a namespace, with this app secret, that the gateway was told of.
async fn put_app(env: &Env, namespace: &str, secret: &str) -> Result<()> {
    env.apply(&env.app_manifest().replace(&env.platform, namespace)).await?;
    env.tell_gateway(namespace, &[("app-secret", secret)]).await
}

/// Waits for the answer to an event that is signed with this.
async fn answers(caller: &Caller, namespace: &str, secret: &str, expected: StatusCode) -> Result<()> {
    let path = format!("/webhooks/{namespace}/acme");
    wait_for(&format!("{path} to be answered with {expected}"), PATIENCE, async || {
        let status = caller.post(&path, Some(&signature(secret, BODY))).await?;
        ensure!(status == expected, "{status}");
        Ok(())
    })
    .await
}

async fn is_ready(ready: &Readiness) -> Result<()> {
    wait_for("the gateway to be ready", PATIENCE, async || {
        ensure!(ready.get());
        Ok(())
    })
    .await
}

/// Rights of a gateway in one namespace.
fn role(env: &Env, namespace: &str, account: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {account}, namespace: {namespace}}}\nrules:\n  - {{apiGroups: [metachannels.io], resources: [metaapps, metagrants], verbs: [list, watch]}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {account}, namespace: {namespace}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {account}}}\nsubjects: [{{kind: ServiceAccount, name: {account}, namespace: {}}}]\n",
        env.inbox
    )
}

/// An account with the rights of a gateway in all watched namespaces but the last.
async fn partial(env: &Env) -> Result<Account> {
    let scopes = [env.platform.clone(), env.tenant_a.clone()];
    Account::new(env.plane, &env.inbox, "partial", &rights(&scopes, GATEWAY, &[(GATEWAY_MAILBOX, &env.inbox)])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_may_not_be_listed_keeps_the_gateway_of_the_others_neither_unready_nor_silent() -> Result<()> {
    let env = Env::new().await?;
    for namespace in [&env.platform, &env.tenant_b] {
        put_app(&env, namespace, APP_SECRET).await?;
    }
    let account = partial(&env).await?;
    let (gateway, url, ready) = env.gateway_by(&account.client).await?;
    is_ready(&ready).await?;
    let caller = Caller::at(url);
    answers(&caller, &env.platform, APP_SECRET, StatusCode::OK).await?;
    answers(&caller, &env.platform, NEW, StatusCode::FORBIDDEN).await?;
    answers(&caller, &env.tenant_a, APP_SECRET, StatusCode::FORBIDDEN).await?;
    // Meta comes again for what is not known, and for nothing else.
    answers(&caller, &env.tenant_b, APP_SECRET, StatusCode::SERVICE_UNAVAILABLE).await?;
    answers(&caller, "not-watched", APP_SECRET, StatusCode::FORBIDDEN).await?;
    let (status, _) = caller.get(&format!("/webhooks/{}/acme?hub.mode=subscribe", env.tenant_b)).await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    for (namespace, expected) in
        [(&env.tenant_b, StatusCode::SERVICE_UNAVAILABLE), (&env.tenant_a, StatusCode::NOT_FOUND)]
    {
        assert_eq!(
            caller.get(&format!("/oauth/{namespace}/acme/YS1yYW5kb20tYWRkcmVzcw/start")).await?.0,
            expected,
            "{namespace}"
        );
    }
    let refused = format!("namespaces_refused{{namespace=\"{}\",reason=\"Forbidden\"}}", env.tenant_b);
    assert_eq!((gateway.gauge(&refused), gateway.gauge("namespaces_refused{")), (1.0, 1.0));

    env.apply(&role(&env, &env.tenant_b, "partial")).await?;
    answers(&caller, &env.tenant_b, APP_SECRET, StatusCode::OK).await?;
    answers(&caller, &env.tenant_b, NEW, StatusCode::FORBIDDEN).await?;
    // Its grants are listed when it is their turn.
    wait_for("nothing to be refused", PATIENCE, async || {
        ensure!(gateway.gauge("namespaces_refused{") == 0.0);
        Ok(())
    })
    .await?;
    account.pardon();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_the_gateway_was_not_told_of_is_to_come_again_and_takes_nothing_from_others() -> Result<()> {
    let env = Env::new().await?;
    put_app(&env, &env.platform, APP_SECRET).await?;
    env.apply(&env.app_manifest().replace(&env.platform, &env.tenant_b)).await?;
    let caller = Caller::new(&env);
    answers(&caller, &env.platform, APP_SECRET, StatusCode::OK).await?;
    answers(&caller, &env.tenant_b, APP_SECRET, StatusCode::SERVICE_UNAVAILABLE).await?;
    let challenge = format!("/webhooks/{}/acme?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1", env.tenant_b);
    assert_eq!(caller.get(&challenge).await?.0, StatusCode::SERVICE_UNAVAILABLE);
    env.tell_gateway(&env.platform, &[("app-secret", NEW)]).await?;
    answers(&caller, &env.platform, NEW, StatusCode::OK).await?;
    answers(&caller, &env.platform, APP_SECRET, StatusCode::FORBIDDEN).await?;
    // Nor does it keep another replica from beginning.
    let (_gateway, url, ready) = env.gateway_by(&env.gateway_account.client).await?;
    is_ready(&ready).await?;
    let other = Caller::at(url);
    env.tell_gateway(&env.tenant_b, &[("app-secret", NEW)]).await?;
    for caller in [&caller, &other] {
        answers(caller, &env.tenant_b, NEW, StatusCode::OK).await?;
        answers(caller, &env.tenant_b, APP_SECRET, StatusCode::FORBIDDEN).await?;
    }
    Ok(())
}

/// Requests about some namespace get no answer, or about all.
#[derive(Clone)]
struct Silent(String);

impl<S> Layer<S> for Silent {
    type Service = Silenced<S>;

    fn layer(&self, inner: S) -> Silenced<S> {
        Silenced { inner, about: format!("/namespaces/{}/", self.0) }
    }
}

#[derive(Clone)]
struct Silenced<S> {
    inner: S,
    about: String,
}

impl<S, B> Service<Request<Body>> for Silenced<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().contains(&self.about) {
            return Box::pin(std::future::pending());
        }
        Box::pin(self.inner.call(request))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_gives_no_answer_is_waited_for_a_while_and_answered_with_come_again() -> Result<()> {
    let env = Env::new().await?;
    put_app(&env, &env.platform, APP_SECRET).await?;
    let kubeconfig = Kubeconfig::read_from(env.plane.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    let client = ClientBuilder::try_from(config)?.with_layer(&Silent(env.tenant_b.clone())).build();
    let (_gateway, url, ready) = env.gateway_by(&client).await?;
    let caller = Caller::at(url);
    // Whoever is known is answered at once.
    answers(&caller, &env.platform, APP_SECRET, StatusCode::OK).await?;
    answers(&caller, &env.tenant_b, APP_SECRET, StatusCode::SERVICE_UNAVAILABLE).await?;
    is_ready(&ready).await
}

#[tokio::test(flavor = "multi_thread")]
async fn before_anything_is_known_every_event_is_to_come_again() -> Result<()> {
    let env = Env::new().await?;
    // Accepts connections and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = Client::try_from(Config::new(format!("http://{}", listener.local_addr()?).parse()?))?;
    let (_gateway, url, ready) = env.gateway_by(&client).await?;
    let caller = Caller::at(url);
    for _ in 0..3 {
        answers(&caller, &env.platform, APP_SECRET, StatusCode::SERVICE_UNAVAILABLE).await?;
        let challenge =
            format!("/webhooks/{}/acme?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1", env.platform);
        assert_eq!(caller.get(&challenge).await?.0, StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!ready.get());
    Ok(())
}

//! Whom operator and gateway act as: ServiceAccounts with the rights of config/, which are those of the chart. What they
//! ask of the API server is written down, and nothing of it may be forbidden.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};

use anyhow::{Context, Result, ensure};
use axum::http::{Request, Response};
use futures::future::{BoxFuture, try_join_all};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, RoleBinding};
use kube::api::PostParams;
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{ControlPlane, wait_for};
use tower::{Layer, Service};

use crate::support::env::{Env, PATIENCE};

/// A rule set of config/ and the object in the file that holds it.
pub type Rules = (&'static str, &'static str);

pub const WATCHED: Rules = (include_str!("../../../config/rbac/role.yaml"), "meta-channel-operator");
pub const CLAIMS: Rules = (include_str!("../../../config/claims/role.yaml"), "meta-channel-operator-claims");
pub const MAILBOX: Rules = (include_str!("../../../config/gateway/inbox_roles.yaml"), "meta-channel-operator-inbox");
pub const LEASES: Rules =
    (include_str!("../../../config/rbac/leader_election_role.yaml"), "meta-channel-operator-leases");
pub const GATEWAY: Rules = (include_str!("../../../config/gateway/role.yaml"), "meta-channel-gateway");
pub const GATEWAY_MAILBOX: Rules =
    (include_str!("../../../config/gateway/inbox_roles.yaml"), "meta-channel-gateway-inbox");

impl Env {
    /// A client that has no rights but those of this ServiceAccount.
    pub async fn client_of(&self, namespace: &str, account: &str) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.plane.service_account_kubeconfig(namespace, account).await?)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }
}

/// The rules in a file of config/.
pub fn rules((file, name): Rules) -> Result<Vec<PolicyRule>> {
    for document in serde_yaml_ng::Deserializer::from_str(file) {
        let mut role = Value::deserialize(document)?;
        if role["metadata"]["name"] == name {
            return Ok(serde_json::from_value(role["rules"].take())?);
        }
    }
    anyhow::bail!("no {name}")
}

/// Rules in every watched namespace, and others.
pub fn rights<'a>(scopes: &'a [String], watched: Rules, others: &[(Rules, &'a str)]) -> Vec<(Rules, &'a str)> {
    scopes.iter().map(|scope| (watched, scope.as_str())).chain(others.iter().copied()).collect()
}

/// An account and what was asked in its name.
pub struct Account {
    pub client: Client,
    log: Log,
    refused: AtomicBool,
}

impl Account {
    /// An account of this name in a namespace, with rules in some namespaces each.
    pub async fn new(plane: &ControlPlane, home: &str, name: &str, rights: &[(Rules, &str)]) -> Result<Self> {
        let admin = plane.client().await?;
        let kubeconfig = Kubeconfig::read_from(plane.service_account_kubeconfig(home, name).await?)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.proxy_url = None;
        let log = Log::default();
        let client = ClientBuilder::try_from(config)?.with_layer(&log).build();
        try_join_all(rights.iter().map(|(rules, namespace)| bind(&admin, home, name, *rules, namespace))).await?;
        for (set, namespace) in rights {
            let rules = rules(*set)?;
            let rule = rules.last().context("no rules")?;
            wait_for("the rights to count", PATIENCE, async || {
                ensure!(is_allowed(&client, rule, namespace).await?, "{rule:?} in {namespace}");
                Ok(())
            })
            .await?;
        }
        log.asked.lock().unwrap().clear();
        Ok(Self { client, log, refused: AtomicBool::new(false) })
    }

    /// What was forbidden so far was meant to be.
    pub fn pardon(&self) {
        self.log.asked.lock().unwrap().retain(|_, statuses| !statuses.contains(&403));
    }

    /// Whatever will be forbidden is meant to be.
    pub fn is_refused_on_purpose(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// What was only tried out so far, as `verb resource.group`.
    pub fn tried(&self) -> Vec<String> {
        self.log.tried.lock().unwrap().clone()
    }

    /// What was asked so far, as `verb resource.group` and `namespace`, with the statuses of the answers.
    pub fn asked(&self) -> Asked {
        self.log.asked.lock().unwrap().clone()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let forbidden: Vec<_> = self.asked().into_iter().filter(|(_, statuses)| statuses.contains(&403)).collect();
        // A failed test has its own message already.
        if !std::thread::panicking() && !self.refused.load(Ordering::Relaxed) {
            assert!(forbidden.is_empty(), "no right to {forbidden:?}");
        }
    }
}

pub async fn bind(admin: &Client, home: &str, account: &str, set: Rules, namespace: &str) -> Result<()> {
    let head = |name: &str| json!({"metadata": {"name": name}});
    let mut role = head(set.1);
    role["rules"] = serde_json::to_value(rules(set)?)?;
    let roles: Api<ClusterRole> = Api::all(admin.clone());
    tolerated(roles.create(&PostParams::default(), &serde_json::from_value(role)?).await)?;
    let mut binding = head(&format!("{account}-{}", set.1));
    binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": set.1});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": account, "namespace": home}]);
    let bindings: Api<RoleBinding> = Api::namespaced(admin.clone(), namespace);
    tolerated(bindings.create(&PostParams::default(), &serde_json::from_value(binding)?).await)
}

/// Another test may have made the same.
fn tolerated<T>(made: kube::Result<T>) -> Result<()> {
    match made {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => Ok(made.map(drop)?),
    }
}

async fn is_allowed(client: &Client, rule: &PolicyRule, namespace: &str) -> Result<bool> {
    let first = |list: &Option<Vec<String>>| list.iter().flatten().next().cloned().unwrap_or_default();
    let resource = first(&rule.resources);
    let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
    let review: SelfSubjectAccessReview = serde_json::from_value(json!({"spec": {"resourceAttributes": {
        "verb": rule.verbs[0], "group": first(&rule.api_groups), "resource": resource, "subresource": subresource,
        "name": first(&rule.resource_names), "namespace": namespace,
    }}}))?;
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Rights that were used, each with a namespace, and the statuses of the answers.
type Asked = BTreeMap<(String, String), BTreeSet<u16>>;

/// What was asked of the API server.
#[derive(Clone, Default)]
struct Log {
    asked: Arc<Mutex<Asked>>,
    tried: Arc<Mutex<Vec<String>>>,
}

impl<S> Layer<S> for Log {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged { inner, log: self.clone() }
    }
}

#[derive(Clone)]
struct Logged<S> {
    inner: S,
    log: Log,
}

impl<S, B> Service<Request<Body>> for Logged<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (log, asked) = (self.log.clone(), asked(&request));
        // What is only tried out is meant to be refused.
        let trial = request.uri().query().is_some_and(|query| query.contains("dryRun=All"));
        if trial {
            log.tried.lock().unwrap().push(asked.0.clone());
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if !trial {
                log.asked.lock().unwrap().entry(asked).or_default().insert(answer.status().as_u16());
            }
            Ok(answer)
        })
    }
}

/// A request in RBAC's words: `verb resource.group`, and the namespace.
fn asked(request: &Request<Body>) -> (String, String) {
    let mut parts = request.uri().path().trim_matches('/').split('/');
    let group = match parts.next() {
        Some("apis") => parts.next().unwrap_or_default(),
        _ => "",
    };
    let rest: Vec<_> = parts.skip(1).collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        // A Namespace is asked for as if it lay in itself.
        ["namespaces", name] => (*name, rest.as_slice()),
        rest => ("", rest),
    };
    let resource = match rest {
        [resource, _, subresource] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
        [] => request.uri().path().to_owned(),
    };
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let verb = match request.method().as_str() {
        "GET" if watches => "watch",
        "GET" if rest.len() > 1 => "get",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        other => other,
    };
    (format!("{verb} {resource}.{group}"), namespace.to_owned())
}

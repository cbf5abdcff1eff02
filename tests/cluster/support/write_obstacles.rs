//! What a real cluster puts in the way of a write: a full quota, policies, a missing right, and a webhook that cannot be called,
//! for which the API server answers 500.

use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::service_accounts::*;

/// In which way a write is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    Quota,
    Invalid,
    Denied,
    Right,
    Failing,
}

pub const ALL: [Way; 5] = [Way::Quota, Way::Invalid, Way::Denied, Way::Right, Way::Failing];
/// Of what exists already no quota is asked.
pub const BUT_QUOTA: [Way; 4] = [Way::Invalid, Way::Denied, Way::Right, Way::Failing];

impl Way {
    /// The reason that conditions and Events give.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Quota => "QuotaExceeded",
            Self::Invalid | Self::Denied => "AdmissionDenied",
            Self::Right => "Forbidden",
            Self::Failing => "WriteFailed",
        }
    }

    /// A condition of this type, and Ready, that say so.
    pub fn conditions(self, type_: &str) -> [String; 3] {
        let (status, other) = if self == Self::Failing { ("Unknown", "Reconciling") } else { ("False", "Stalled") };
        let reason = self.reason();
        [format!("{type_}={status}/{reason}"), format!("Ready={status}/{reason}"), format!("{other}=True")]
    }

    /// What the API server says, and who has to act.
    pub fn texts(self) -> [&'static str; 2] {
        match self {
            Self::Quota => ["exceeded quota: full", "The maintainer of the ResourceQuota must make room"],
            Self::Invalid | Self::Denied => ["the house says no", "must let the operator's ServiceAccount do this"],
            Self::Right => ["cannot ", "must give its ServiceAccount this right"],
            Self::Failing => ["failed calling webhook", "Nobody has to act"],
        }
    }

    /// Whether a message says all that is to be said.
    pub fn is_told_by(self, message: &str) -> Result<()> {
        for text in self.texts() {
            ensure!(message.contains(text), "no {text:?} in {message}");
        }
        Ok(())
    }
}

/// A write that is to be refused to the operator.
#[derive(Clone)]
pub struct Target {
    pub namespace: String,
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// As RBAC and admission spell it, with its subresource.
    pub resource: &'static str,
    /// As RBAC spells it.
    pub verb: &'static str,
    /// The rules that give the right.
    pub rules: Rules,
    /// What is tried out: an object to create, or the name of one that exists.
    pub sample: Value,
}

impl Target {
    fn operation(&self) -> &'static str {
        match self.verb {
            "create" => "CREATE",
            "delete" => "DELETE",
            _ => "UPDATE",
        }
    }

    /// Tries the write out as this client. Nothing is written.
    pub async fn try_out(&self, client: &Client) -> kube::Result<()> {
        let (plural, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        let api_version =
            if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) };
        let resource = ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version,
            kind: self.kind.to_owned(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &self.namespace, &resource);
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        let name = self.sample.as_str().unwrap_or_default();
        match (self.verb, subresource) {
            ("create", _) => {
                let object: DynamicObject = serde_json::from_value(self.sample.clone()).unwrap();
                api.create(&trial, &object).await.map(drop)
            }
            ("delete", _) => api.delete(name, &DeleteParams::default().dry_run()).await.map(drop),
            ("update", "") => api.replace(name, &trial, &api.get(name).await?).await.map(drop),
            ("update", _) => api.replace_status(name, &trial, &api.get(name).await?).await.map(drop),
            ("patch", "") => {
                let params = PatchParams { dry_run: true, ..PatchParams::default() };
                api.patch(name, &params, &Patch::Merge(json!({}))).await.map(drop)
            }
            (_, _) => {
                let params = PatchParams { dry_run: true, ..PatchParams::default() };
                api.patch_status(name, &params, &Patch::Merge(json!({}))).await.map(drop)
            }
        }
    }
}

/// Something in the way of the operator's writes.
pub struct Obstacle<'a> {
    env: &'a Env,
    way: Way,
    target: Target,
}

impl<'a> Obstacle<'a> {
    /// Puts it there, and waits until it counts.
    pub async fn put(env: &'a Env, way: Way, target: &Target) -> Result<Self> {
        let it = Self { env, way, target: target.clone() };
        match way {
            Way::Quota => it.quota().await?,
            Way::Invalid | Way::Denied => it.policy().await?,
            Way::Right => it.right().await?,
            Way::Failing => it.webhook().await?,
        }
        wait_for(&format!("{way:?} to count"), PATIENCE, async || {
            let refusal = target.try_out(&env.account.client).await.err().context("it is let in")?.to_string();
            ensure!(refusal.contains(way.texts()[0]), "{refusal}");
            Ok(())
        })
        .await?;
        Ok(it)
    }

    /// Takes it away, and waits until that counts.
    pub async fn remove(self) -> Result<()> {
        let (client, name, namespace) = (&self.env.client, self.name(), &self.target.namespace);
        let params = DeleteParams::default();
        match self.way {
            Way::Quota => {
                Api::<ResourceQuota>::namespaced(client.clone(), namespace).delete("full", &params).await.map(drop)?
            }
            Way::Invalid | Way::Denied => {
                Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).delete(&name, &params).await?;
                Api::<ValidatingAdmissionPolicy>::all(client.clone()).delete(&name, &params).await.map(drop)?;
            }
            Way::Right => {
                bind(client, &self.env.inbox, "operator", self.target.rules, namespace).await?;
                Api::<RoleBinding>::namespaced(client.clone(), namespace).delete("partial", &params).await?;
                Api::<Role>::namespaced(client.clone(), namespace).delete("partial", &params).await.map(drop)?;
            }
            Way::Failing => {
                Api::<ValidatingWebhookConfiguration>::all(client.clone()).delete(&name, &params).await.map(drop)?;
            }
        }
        wait_for(&format!("{:?} to be gone", self.way), PATIENCE, async || {
            Ok(self.target.try_out(&self.env.account.client).await?)
        })
        .await
    }

    fn name(&self) -> String {
        format!("refused-{}.example.com", self.target.namespace)
    }

    /// What counts is written by a controller; where there is none, by this.
    async fn quota(&self) -> Result<()> {
        let Target { group, resource, namespace, .. } = &self.target;
        let counted = if group.is_empty() { format!("count/{resource}") } else { format!("count/{resource}.{group}") };
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "full"}, "spec": {"hard": {counted.as_str(): "0"}},
        });
        let quotas: Api<ResourceQuota> = Api::namespaced(self.env.client.clone(), namespace);
        create(&quotas, quota).await?;
        let status = json!({"status": {"hard": {counted.as_str(): "0"}, "used": {counted.as_str(): "0"}}});
        quotas.patch_status("full", &PatchParams::default(), &Patch::Merge(&status)).await?;
        Ok(())
    }

    fn constraints(&self) -> (Value, Value) {
        let Target { group, resource, namespace, .. } = &self.target;
        let rule = json!({
            "apiGroups": [group], "apiVersions": ["*"], "resources": [resource], "operations": [self.target.operation()],
        });
        (json!([rule]), json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}}))
    }

    fn is_the_operator(&self) -> Value {
        let account = format!("system:serviceaccount:{}:operator", self.env.inbox);
        json!({"name": "operator", "expression": format!("request.userInfo.username == '{account}'")})
    }

    async fn policy(&self) -> Result<()> {
        let (rules, namespaces) = self.constraints();
        let reason = if self.way == Way::Invalid { "Invalid" } else { "Forbidden" };
        let metadata = json!({"name": self.name()});
        let policy = json!({
            "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": rules, "namespaceSelector": namespaces},
                "matchConditions": [self.is_the_operator()],
                "validations": [{"expression": "false", "message": "the house says no", "reason": reason}],
            },
        });
        create(&Api::<ValidatingAdmissionPolicy>::all(self.env.client.clone()), policy).await?;
        let binding = json!({"metadata": metadata, "spec": {"policyName": self.name(), "validationActions": ["Deny"]}});
        create(&Api::<ValidatingAdmissionPolicyBinding>::all(self.env.client.clone()), binding).await
    }

    /// The rules without this verb take the place of the whole.
    async fn right(&self) -> Result<()> {
        let Target { group, resource, verb, rules: set, namespace, .. } = &self.target;
        let mut rest = Vec::new();
        for rule in rules(*set)? {
            let concerned = rule.api_groups.iter().flatten().any(|it| it == group)
                && rule.resources.iter().flatten().any(|it| it == resource);
            if !concerned {
                rest.push(rule);
                continue;
            }
            let others = rule.resources.iter().flatten().filter(|it| it != resource).cloned().collect::<Vec<_>>();
            let verbs: Vec<_> = rule.verbs.iter().filter(|it| it != verb).cloned().collect();
            if !others.is_empty() {
                rest.push(PolicyRule { resources: Some(others), ..rule.clone() });
            }
            if !verbs.is_empty() {
                rest.push(PolicyRule { resources: Some(vec![(*resource).to_owned()]), verbs, ..rule });
            }
        }
        let client = &self.env.client;
        let metadata = json!({"name": "partial"});
        let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
        create(&roles, json!({"metadata": metadata, "rules": rest})).await?;
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
        let binding = json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "partial"},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": self.env.inbox}],
        });
        create(&bindings, binding).await?;
        bindings.delete(&format!("operator-{}", set.1), &DeleteParams::default()).await?;
        Ok(())
    }

    /// A webhook that must be asked and is not there.
    async fn webhook(&self) -> Result<()> {
        let (rules, namespaces) = self.constraints();
        let operator = json!([self.is_the_operator()]);
        let webhook = json!({
            "metadata": {"name": self.name()},
            "webhooks": [{
                "name": self.name(), "rules": rules, "namespaceSelector": namespaces, "matchConditions": operator,
                "clientConfig": {"url": "https://127.0.0.1:1/judge"},
                "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 5,
            }],
        });
        create(&Api::<ValidatingWebhookConfiguration>::all(self.env.client.clone()), webhook).await
    }
}

async fn create<K: Clone + Debug + DeserializeOwned + Serialize>(api: &Api<K>, object: Value) -> Result<()> {
    api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    Ok(())
}

//! Proves that a policy of the API server prevents this process from writing Secrets that it has no business writing: at the
//! start, and again every ten minutes, it tries to create one in a dry run that the policy must refuse.
//!
//! The rights to Secrets cover all Secrets of a namespace, because RBAC knows neither types nor labels. The policy that narrows
//! them matters only once someone has taken over the process. Without it, the work continues, and the operator reports it.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::core::Status;
use kube::{Api, Client};

use super::error::kubernetes;
use crate::base::clock::{Clock, Moment};
use crate::metrics::Metrics;

/// How often it is proven again that a policy counts, this one or that of claims: it may be taken away while the process runs.
pub const PERIOD: SignedDuration = SignedDuration::from_mins(10);

/// The same while nothing guards them, or that could not be found out.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// Name of the Secret that is offered.
const TRIAL: &str = "metachannels-proof";

/// What is asked, of whom.
pub struct Guard {
    /// Client of the Kubernetes API.
    pub client: Client,
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// The policy that has to refuse.
    pub policy: &'static str,
    /// Namespaces where the process may create Secrets. The policy counts in all: one that answers is enough.
    pub namespaces: Vec<String>,
}

impl Guard {
    /// Asks until the process ends, and says what came of it when that is something else than before.
    pub async fn run(self) {
        let mut before = None;
        loop {
            let found = self.ask().await;
            if before != Some(found) {
                self.tell(found);
                before = Some(found);
            }
            let pause = if found == Some(true) { PERIOD } else { SOON };
            self.clock.sleep_until(self.clock.now().later(pause)).await;
        }
    }

    /// Whether the policy refuses; `None` if that could not be found out.
    async fn ask(&self) -> Option<bool> {
        for namespace in &self.namespaces {
            let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
            let metadata = ObjectMeta { name: Some(TRIAL.to_owned()), ..ObjectMeta::default() };
            let secret = Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() };
            let trial = PostParams { dry_run: true, ..PostParams::default() };
            let answer = async { Ok(secrets.create(&trial, &secret).await.map(drop)) };
            let found = match kubernetes("trying to create a Secret (dry run)", answer).await {
                Ok(Ok(())) => Some(false),
                Ok(Err(kube::Error::Api(status))) => judge(&status, self.policy),
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn tell(&self, found: Option<bool>) {
        let policy = self.policy;
        match found {
            Some(true) => {
                tracing::info!(policy, "the API server prevents this process from writing the Secrets of others")
            }
            Some(false) => tracing::warn!(
                policy,
                "the API server lets this process write any Secret in the namespaces where it may write Secrets: install chart meta-channel-operator-admin with policies.enabled, and give the process only the rights of its chart"
            ),
            None => tracing::warn!(
                policy,
                "this process could not find out whether the API server prevents it from writing the Secrets of others, so assume that it does not: check whether the process may create Secrets in its namespace, and what else refuses them"
            ),
        }
        self.metrics.secrets_unguarded(found.map(|guarded| !guarded));
    }
}

/// What a refusal of the trial says; `None` if it says nothing.
fn judge(status: &Status, policy: &str) -> Option<bool> {
    match status.code {
        403 if status.message.contains(&format!("ValidatingAdmissionPolicy '{policy}'")) => Some(true),
        // One of that name was let in before.
        409 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refusal_of_the_policy_is_a_proof() {
        let refused = "secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'inbox.metachannels.io' with binding 'x' denied request: no";
        let other = refused.replace("inbox.", "naming.");
        let right = "User \"x\" cannot create resource \"secrets\" in API group \"\"";
        let rows = [
            (403, refused, Some(true)),
            (403, &other, None),
            (403, right, None),
            (409, "already exists", Some(false)),
            (404, "namespaces \"x\" not found", None),
            (500, refused, None),
        ];
        for (code, message, expected) in rows {
            let status = Status::failure(message, "x").with_code(code);
            assert_eq!(judge(&status, "inbox.metachannels.io"), expected, "{code} {message}");
        }
    }
}

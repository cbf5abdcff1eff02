//! The Secret with the verify token: created once, and adopted by the next MetaApp of the same name.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use rand::distr::{Alphanumeric, SampleString};

use super::model::VerifyTokenSeen;
use super::state::MetaApps;
use crate::api::MetaApp;
use crate::api::outcome::Class;
use crate::api::references::{Purpose, VERIFY_TOKEN_KEY};
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::cluster::error;
use crate::cluster::error::{Failure, kubernetes};

pub use crate::cluster::secrets::KIND;
use crate::cluster::write_refused::{Verb, Write};
use crate::controller::managed_secrets::{may_be_left_over, own_secret};

/// Creates the Secret, never applies over one: what exists under the name is checked in the next pass. As a `trial` it is only
/// asked whether it would be let in.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn create(apps: &MetaApps, app: &MetaApp, key: &Key, trial: bool) -> Result<(), Failure> {
    let token = Alphanumeric.sample_string(&mut rand::rng(), 48);
    let name = crate::meta_app::facts::verify_token_secret_name(&key.name);
    let secret = own_secret(app, name.clone(), Purpose::VerifyToken, [(VERIFY_TOKEN_KEY, token)]);
    let secret = Secret { immutable: Some(true), ..secret };
    let api: Api<Secret> = Api::namespaced(apps.ctx.cluster.client.clone(), &key.namespace);
    let write = Write::new(Verb::Create, KIND, &Key::new(&key.namespace, name));
    unless_overtaken(error::write(&apps.ctx.metrics, write, api.create(&params(trial), &secret)).await)
}

/// Makes the Secret that was left over ours, so that it goes with this MetaApp. If it is another one by now, the next look
/// says so.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn adopt(apps: &MetaApps, app: &MetaApp, key: &Key, uid: &Uid, trial: bool) -> Result<(), Failure> {
    let api: Api<Secret> = Api::namespaced(apps.ctx.cluster.client.clone(), &key.namespace);
    let name = crate::meta_app::facts::verify_token_secret_name(&key.name);
    let Some(mut secret) = kubernetes("reading the verify token's Secret", api.get_opt(&name)).await? else {
        return Ok(());
    };
    let model = own_secret(app, name.clone(), Purpose::VerifyToken, []);
    if secret.type_ != model.type_ || !may_be_left_over::<MetaApp>(&secret.metadata, key, uid) {
        return Ok(());
    }
    secret.metadata.owner_references = model.metadata.owner_references;
    // Without its label nobody here sees it.
    secret.metadata.labels.get_or_insert_default().extend(model.metadata.labels.unwrap_or_default());
    secret.metadata.annotations.get_or_insert_default().extend(model.metadata.annotations.unwrap_or_default());
    let write = Write::new(Verb::Update, KIND, &Key::new(&key.namespace, &name));
    unless_overtaken(error::write(&apps.ctx.metrics, write, api.replace(&name, &params(trial), &secret)).await)
}

/// Whether the API server would let in now what it refused before. Nothing is written.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn is_let_in(
    apps: &MetaApps,
    app: &MetaApp,
    key: &Key,
    uid: &Uid,
    seen: VerifyTokenSeen,
) -> Result<bool, Failure> {
    let tried = match seen {
        VerifyTokenSeen::Missing => create(apps, app, key, true).await,
        VerifyTokenSeen::LeftOver => adopt(apps, app, key, uid, true).await,
        VerifyTokenSeen::Ours | VerifyTokenSeen::Taken => Ok(()),
    };
    match tried {
        Err(Failure::Refused(_)) => Ok(false),
        tried => tried.map(|()| true),
    }
}

fn params(trial: bool) -> PostParams {
    PostParams { dry_run: trial, ..PostParams::default() }
}

/// That someone else was faster is no error: the next look says what is there.
fn unless_overtaken(written: Result<Secret, Failure>) -> Result<(), Failure> {
    match written {
        Err(failure) if failure.class() != Class::Conflict => Err(failure),
        _ => Ok(()),
    }
}

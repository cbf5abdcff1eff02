//! What the demo waits for: the app is ready, two channels are connected, the third one's token has ended.

use anyhow::{Result, ensure};
use serde_json::Value;

const CONNECTED: usize = 2;
const EXPIRED: usize = 1;

/// Takes the lists of both kinds. Fails with what is still missing, in words for a progress line.
pub(crate) fn judge(apps: &Value, channels: &Value) -> Result<()> {
    let (apps, channels) = (items(apps), items(channels));
    let ready_apps = count(apps, "Ready");
    let ready = count(channels, "Ready");
    let expired = count(channels, "Expired");
    let settled = !apps.is_empty()
        && ready_apps == apps.len()
        && channels.len() == CONNECTED + EXPIRED
        && ready == CONNECTED
        && expired == EXPIRED;
    ensure!(
        settled,
        "{ready_apps} of {} apps ready, {ready} of {CONNECTED} channels ready, {expired} of {EXPIRED} expired{}",
        apps.len(),
        unsettled(apps.iter().chain(channels))
    );
    Ok(())
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn count(objects: &[Value], condition: &str) -> usize {
    objects.iter().filter(|object| status(object, condition) == Some("True")).count()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// The condition's status, if it was judged for the object as it is now.
fn status<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let condition = condition(object, kind)?;
    let generation = object["metadata"]["generation"].as_i64()?;
    let current = condition["observedGeneration"].as_i64() == Some(generation);
    current.then(|| condition["status"].as_str())?
}

/// Who is neither ready nor expired, and why.
fn unsettled<'a>(objects: impl Iterator<Item = &'a Value>) -> String {
    objects
        .filter(|object| status(object, "Ready") != Some("True") && status(object, "Expired") != Some("True"))
        .map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let reason = condition(object, "Ready").and_then(|ready| ready["reason"].as_str());
            format!("; {name}: {}", reason.unwrap_or("no condition Ready yet"))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, conditions: &[(&str, &str, &str)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "observedGeneration": 1}))
            .collect();
        json!({"metadata": {"name": name, "generation": 1}, "status": {"conditions": conditions}})
    }

    fn apps() -> Value {
        json!({"items": [object("acme", &[("Ready", "True", "ReconcileSucceeded")])]})
    }

    fn channels() -> Value {
        let ready = [("Ready", "True", "ReconcileSucceeded"), ("Expired", "False", "NotExpired")];
        let expired = [("Ready", "False", "PasswordChanged"), ("Expired", "True", "PasswordChanged")];
        json!({"items": [object("shop", &ready), object("support", &ready), object("outlet", &expired)]})
    }

    #[test]
    fn two_connected_channels_and_an_expired_one_are_the_end() {
        judge(&apps(), &channels()).unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut channels = channels();
        channels["items"][0] = object("shop", &[("Ready", "False", "AppNotReady")]);
        channels["items"][1] = json!({"metadata": {"name": "support", "generation": 1}});
        let missing = judge(&apps(), &channels).unwrap_err().to_string();
        assert_eq!(
            missing,
            "1 of 1 apps ready, 0 of 2 channels ready, 1 of 1 expired; shop: AppNotReady; support: no condition Ready yet"
        );
    }

    #[test]
    fn an_old_verdict_does_not_count() {
        let mut apps = apps();
        apps["items"][0]["metadata"]["generation"] = json!(2);
        let missing = judge(&apps, &channels()).unwrap_err().to_string();
        assert!(missing.starts_with("0 of 1 apps ready"), "{missing}");
    }

    #[test]
    fn nothing_at_all_has_not_settled() {
        let nothing = json!({"items": []});
        assert!(judge(&nothing, &channels()).is_err());
        assert!(judge(&apps(), &nothing).is_err());
    }
}

//! Where a person authorizes again: a page of the gateway. A part of its address cannot be guessed and changes whenever another
//! token comes into use or someone waits to be accepted, so that only people who may read the grant know it.
//!
//! No condition and no Event contains the address: they say where to find it. So it may change without anything else being
//! written.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;

use super::state::MetaGrants;
use crate::api::MetaGrantStatus;
use crate::base::key::Key;
use crate::controller::pass::Pass;

/// Random bytes in an address.
const BYTES: usize = 16;

/// The address of a grant, if there is a gateway: the one that is known, until it was used.
pub(super) fn at(grants: &MetaGrants, pass: &Pass<MetaGrantStatus>, was_used: bool) -> Option<String> {
    let gateway = grants.ctx.policy.gateway_url.as_ref()?;
    let address = |part: &str| format!("{gateway}/oauth/{}/{}/{part}/start", pass.key.namespace, pass.key.name);
    let known = pass.previous.reauthorize_url.as_deref();
    let part = known.and_then(secret_part).filter(|part| known == Some(&address(part)));
    let kept = part.filter(|_| !was_used).map(address);
    Some(kept.unwrap_or_else(|| address(&random())))
}

/// The part of an address that cannot be guessed.
pub fn secret_part(address: &str) -> Option<&str> {
    let part = address.strip_suffix("/start")?.rsplit('/').next()?;
    is_random(part).then_some(part)
}

/// Where the address of a grant stands, as a sentence goes on.
pub fn told(grant: &Key) -> String {
    let Key { namespace, name } = grant;
    format!(
        "at the address that kubectl -n {namespace} get mgrant {name} -o jsonpath='{{.status.reauthorizeUrl}}' prints"
    )
}

fn random() -> String {
    let random: [u8; BYTES] = rand::rng().random();
    URL_SAFE_NO_PAD.encode(random)
}

/// Whether it was made here, so that a name of a grant is none.
fn is_random(part: &str) -> bool {
    URL_SAFE_NO_PAD.decode(part).is_ok_and(|bytes| bytes.len() == BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_cannot_be_guessed_is_found_again_and_nothing_else_is_taken_for_it() {
        let part = random();
        assert_ne!(part, random());
        let found = format!("https://hooks.example.com/oauth/tenant-a/acme/{part}/start");
        assert_eq!(secret_part(&found), Some(part.as_str()));
        for other in ["", "/start", "https://hooks.example.com/oauth/tenant-a/acme/start", &found[1..found.len() - 1]] {
            assert_eq!(secret_part(other), None, "{other}");
        }
    }
}

//! The kinds of this API, a row each.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::{AssetClaim, FacebookChannel, MetaApp, MetaGrant};
use crate::base::key::KindName;

macro_rules! kinds {
    ($($kind:ident: $name:ident,)+) => {
        impl KindName {
            /// The kinds of this API.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            $(#[doc = concat!(stringify!($kind), ".")] pub const $name: Self = Self::new(stringify!($kind));)+
        }

        /// Their definitions, as derived from the types.
        pub(super) fn definitions() -> Vec<CustomResourceDefinition> {
            vec![$($kind::crd(),)+]
        }
    };
}

kinds! {
    AssetClaim: ASSET_CLAIM,
    FacebookChannel: FACEBOOK_CHANNEL,
    MetaApp: META_APP,
    MetaGrant: META_GRANT,
}

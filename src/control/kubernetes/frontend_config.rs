//! FrontendConfig: GKE's settings of an Ingress.

use crate::control::yaml::Located;

/// A FrontendConfig.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrontendConfig {
    /// `sslPolicy`; empty means none.
    pub ssl_policy: Option<Located<String>>,
    /// `redirectToHttps`.
    pub redirect_to_https: Option<Redirect>,
}

/// `redirectToHttps`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Redirect {
    /// Every request over plain HTTP is redirected.
    pub enabled: bool,
    /// `responseCodeName`, one of those that the cloud knows.
    pub code_name: Option<Located<String>>,
}

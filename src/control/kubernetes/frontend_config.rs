//! FrontendConfig: GKE's settings of an Ingress.

use super::fields::{Fields, Wrong, boolean, located};
use super::table::{self, Fate, Field};
use crate::control::yaml::{Located, Node, closest};

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

/// The codes that the cloud knows by name.
const CODES: [&str; 5] = ["MOVED_PERMANENTLY_DEFAULT", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"];

/// Every field of `spec`, and what becomes of it.
pub(super) const FIELDS: &[Field<FrontendConfig>] = &[
    Field {
        path: "sslPolicy",
        value: "name of an SSL policy",
        default: "none: what the listener offers",
        fate: Fate::Applied(
            "as kubernetes.sslPolicies says; else by a name that holds COMPATIBLE, MODERN, RESTRICTED or FIPS, as far as TLS 1.2 and 1.3 with AEAD go",
            |node, config| {
                config.ssl_policy = Some(located(node)?);
                Ok(())
            },
        ),
        confirmed: true,
    },
    Field {
        path: "redirectToHttps.enabled",
        value: "true, false",
        default: "false",
        fate: Fate::Applied("plain HTTP is redirected, every host and path of the Ingress", |node, config| {
            config.redirect_to_https.get_or_insert_default().enabled = boolean(node)?;
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "redirectToHttps.responseCodeName",
        value: "MOVED_PERMANENTLY_DEFAULT (301), FOUND (302), SEE_OTHER (303), TEMPORARY_REDIRECT (307), PERMANENT_REDIRECT (308)",
        default: "MOVED_PERMANENTLY_DEFAULT",
        fate: Fate::Applied("the status of the redirect", |node, config| {
            let name = located(node)?;
            if !CODES.contains(&name.value.as_str()) {
                let wrong = Wrong::new(node, format!("\"{}\" is no code of a redirect", name.value));
                return Err(wrong.help(
                    closest(&name.value, CODES).map_or_else(|| format!("one of {}", CODES.join(", ")), |meant| format!("did you mean {meant}?")),
                ));
            }
            config.redirect_to_https.get_or_insert_default().code_name = Some(name);
            Ok(())
        }),
        confirmed: true,
    },
];

pub(super) fn read(document: &Node, fields: &mut Fields) -> FrontendConfig {
    let mut config = FrontendConfig::default();
    if let Some(spec) = fields.mapping(document, "spec") {
        table::read(FIELDS, spec, &mut config, &mut fields.findings);
    }
    config
}

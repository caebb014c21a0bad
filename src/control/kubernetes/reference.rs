//! The reference of GKE's fields, printed from the tables that they are read by.

use std::fmt::Write;

use super::annotations::OF_NGINX;
use super::table::{Fate, Field};
use super::{backend_config, frontend_config, ingress, service};
use crate::model::{PARITY, Variable};

/// Variables of custom headers that only a database or another machine knows.
const UNKNOWN_VARIABLES: &str = "client_region, client_region_subdivision, client_city, client_city_lat_long, asn, device_request_type, \
    user_agent_family, cdn_cache_id, cdn_cache_status, client_rtt_msec, tls_ja3_fingerprint, tls_ja4_fingerprint, client_cert_*";

/// The page, as Markdown.
pub fn page() -> String {
    let mut page = String::new();
    parity(&mut page);
    section(&mut page, "Annotations of an Ingress", ingress::FIELDS);
    section(&mut page, "Annotations of a Service", service::FIELDS);
    section(&mut page, "FrontendConfig `networking.gke.io/v1beta1`: `spec`", frontend_config::FIELDS);
    section(&mut page, "BackendConfig `cloud.google.com/v1`: `spec`", backend_config::FIELDS);
    page.push_str("A field that is absent has its default; the cloud would keep what was there before.\n\n");
    page.push_str("## Variables in custom headers\n\n");
    let known: Vec<String> = Variable::ALL.iter().map(|(name, _)| format!("`{name}`")).collect();
    // A String takes everything.
    let _ = writeln!(page, "Known here: {}.\n\nEmpty here: {UNKNOWN_VARIABLES}.\n", known.join(", "));
    page.push_str("## Annotations of nginx's controller\n\nNone is read; each is reported with what there is for the same thing.\n\n");
    page.push_str("| `nginx.ingress.kubernetes.io/` | here |\n|---|---|\n");
    for (name, key) in OF_NGINX {
        let _ = writeln!(page, "| `{name}` | {} |", if key.is_empty() { "nothing yet" } else { key });
    }
    page
}

fn parity(page: &mut String) {
    page.push_str("## GKE and genkan\n\nWhat Ingresses of the class gce, or of none, behave like is `kubernetes.behaviour`, or the annotation ");
    page.push_str("`genkan.dev/behaviour` of one Ingress. `genkan explain` names the rules that decided something.\n\n");
    page.push_str("| rule | subject | Genkan | GKE |\n|---|---|---|---|\n");
    for row in PARITY {
        // A String takes everything.
        let _ = writeln!(page, "| {} | {} | {} | {} |", row.rule.as_str(), row.subject, row.genkan, row.gke);
    }
    page.push('\n');
}

fn section<T>(page: &mut String, title: &str, fields: &[Field<T>]) {
    let _ = writeln!(page, "## {title}\n\n| field | value | default | here |\n|---|---|---|---|");
    for field in fields {
        let fate = match field.fate {
            Fate::Applied(what, _) => format!("**applied**: {what}"),
            Fate::Differently(how, _) => format!("**applied differently**: {how}"),
            Fate::NoMeaning(why) => format!("**no meaning here**: {why}"),
            Fate::Written => "**not read**: the cloud writes it".to_owned(),
        };
        let mark = if field.confirmed { "" } else { " (unconfirmed)" };
        let _ = writeln!(page, "| `{}` | {} | {} | {fate}{mark} |", field.path, field.value, field.default);
    }
    page.push('\n');
}

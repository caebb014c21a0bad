//! The certificates: for which names, until when, from where, and what became of the last change of each.

use askama::Template;

use super::super::api::certificates::{CertificateView, Certificates};
use super::super::api::query::Query;
use super::paging::Paging;
use super::words::count;
use super::{Frame, Rendered, fill};
use crate::admin::Views;

#[derive(Template)]
#[template(path = "certificates.html")]
struct Page {
    frame: Frame,
    paging: Paging,
    certificates: Vec<Row>,
    /// How many errors the report has.
    refused: usize,
}

struct Row {
    view: CertificateView,
    class: &'static str,
    word: String,
}

/// From here on somebody should look why it has not been renewed: automatic renewal does so a month before.
const SOON_DAYS: i64 = 14;

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let asked = Paging::asked(query)?;
    let all = Certificates::of(views).certificates.into_iter();
    let (part, total) = asked.of(all, |certificate| format!("{} {} {}", certificate.names.join(" "), certificate.issuer, certificate.source));
    let row = |view: CertificateView| {
        let (class, word) = validity(view.days_left);
        Row { view, class, word }
    };
    let refused = views.control.report().errors().count();
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, refused, certificates: part.into_iter().map(row).collect() })
}

/// Class and words.
pub(super) fn validity(days_left: i64) -> (&'static str, String) {
    let days = count(usize::try_from(days_left.unsigned_abs()).unwrap_or(usize::MAX), "day");
    match days_left {
        ..0 => ("bad", "expired".to_owned()),
        0..SOON_DAYS => ("warn", format!("{days} left")),
        _ => ("ok", format!("{days} left")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_well_runs_out_or_has_run_out() {
        let words = [-1, 0, 1, 13, 14].map(validity);
        assert_eq!(words.each_ref().map(|(class, _)| *class), ["bad", "warn", "warn", "warn", "ok"]);
        assert_eq!(words.each_ref().map(|(_, word)| word.as_str()), ["expired", "0 days left", "1 day left", "13 days left", "14 days left"]);
    }
}

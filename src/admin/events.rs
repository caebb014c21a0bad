//! `/events`: a view of the status page as a stream of server-sent events, one whenever it has changed
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};

use super::Views;
use super::api::query::Query;
use super::page::{HtmlView, main_of};

/// From look to look.
const STEP: Duration = Duration::from_secs(1);

/// After so many looks without a change something is sent all the same: a client that has left is found out by it.
const QUIET: u32 = 15;

/// The view that is asked for with `of`, and its own query.
pub(super) fn asked(query: &str) -> Option<(&'static HtmlView, String)> {
    let of = Query::parse(query).value("of")?.to_owned();
    let (path, query) = of.split_once('?').unwrap_or((&of, ""));
    Some((HtmlView::at(path)?, query.to_owned()))
}

/// Sends the view until nobody reads any more.
pub(super) async fn send(views: Views, view: &'static HtmlView, query: String, pieces: Sender<Bytes>) {
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent, mut quiet) = (String::new(), 0);
    loop {
        tokio::select! {
            _ = steps.tick() => {}
            () = pieces.closed() => return,
        }
        let (seen, query) = (views.clone(), query.clone());
        let Some((_, html)) = views.makers.make("the page", move || view.answer(&seen, &query)).await else { return };
        let piece = if main_of(&html) == main_of(&sent) {
            quiet += 1;
            if quiet < QUIET {
                continue;
            }
            ":\n\n".to_owned()
        } else {
            event(&html)
        };
        (sent, quiet) = (html, 0);
        if pieces.send(piece.into()).await.is_err() {
            return;
        }
    }
}

/// A message: each of its lines on a line of its own. A carriage return ends a line there, too.
fn event(text: &str) -> String {
    let mut event = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split(['\n', '\r']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_named_with_its_query() {
        let (view, query) = asked("of=%2Froutes%3Fq%3Da%2520b%26offset%3D50").unwrap();
        assert_eq!((view.path, query.as_str()), ("/routes", "q=a%20b&offset=50"));
        assert!(["", "of=", "of=/api/v1/status", "of=//evil.test/"].iter().all(|query| asked(query).is_none()));
    }

    #[test]
    fn a_message_has_no_line_that_is_not_data() {
        let message = event("<p>\r\nevent: x\n\n</p>\revent: y");
        assert_eq!(message, "data: <p>\ndata: \ndata: event: x\ndata: \ndata: </p>\ndata: event: y\n\n");
    }
}

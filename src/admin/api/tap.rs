//! `/api/v1/tap`: exchanges as they end, an object a line.

use super::query::Query;
use crate::model::StatusFilter;
use crate::telemetry::tap::Wanted;

/// In a second, if nobody says.
const USUAL_RATE: u32 = 50;
const MOST: u32 = 10_000;
/// Whoever reads more slowly misses the next ones.
pub(in crate::admin) const LINES_AHEAD: usize = 256;

/// What is asked for with `q`, `status` and `rate`.
pub(in crate::admin) fn wanted(query: &str) -> Result<Wanted, String> {
    let query = Query::parse(query);
    let status = query.value("status").unwrap_or_default();
    let status = StatusFilter::parse(status).ok_or_else(|| format!("status is a number such as 404, or a class such as 5xx, not {status:?}"))?;
    let rate = query.value("rate").map_or(Ok(USUAL_RATE), |text| text.parse::<u32>().map_err(|_| format!("rate is a whole number, not {text:?}")))?;
    Ok(Wanted { text: query.value("q").unwrap_or_default().to_lowercase(), status, per_second: rate.clamp(1, MOST) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_or_refused() {
        let wanted = wanted("q=Shop%20A&status=5XX&rate=0").unwrap();
        assert_eq!((wanted.text.as_str(), wanted.status, wanted.per_second), ("shop a", StatusFilter::Class(5), 1));
        assert_eq!(super::wanted("").unwrap().per_second, USUAL_RATE);
        for query in ["status=5", "status=xxx", "status=abc", "status=6xx", "rate=-1", "rate=x"] {
            assert!(super::wanted(query).is_err(), "{query}");
        }
    }
}

//! Which statuses somebody wants to see: one, a class of them, or all.

/// Some statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusFilter {
    /// Each.
    #[default]
    All,
    /// Those with this first digit.
    Class(u16),
    /// This one; 0 is that of a client that left before there was one.
    One(u16),
}

impl StatusFilter {
    /// `404`; `4xx` for a class, in either case; nothing for all of them. `None`: there is no such status.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [] => Some(Self::All),
            [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Some(Self::Class(u16::from(class - b'0'))),
            [b'0'..=b'9', _, _] => text.parse().ok().filter(|status| *status == 0 || (100..600).contains(status)).map(Self::One),
            _ => None,
        }
    }

    /// Whether a status is among them.
    pub fn has(self, status: u16) -> bool {
        match self {
            Self::All => true,
            Self::Class(class) => status / 100 == class,
            Self::One(one) => status == one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_number_or_a_class() {
        let parsed = ["", "404", "5xx", "4XX", "000"].map(StatusFilter::parse);
        let some = [StatusFilter::All, StatusFilter::One(404), StatusFilter::Class(5), StatusFilter::Class(4), StatusFilter::One(0)];
        assert_eq!(parsed, some.map(Some));
        assert!(["6xx", "abc", "99", "5x", "600", "0xx", "040", "5xxx", "4é", "40"].iter().all(|text| StatusFilter::parse(text).is_none()));
        assert!(StatusFilter::Class(4).has(404) && !StatusFilter::Class(4).has(500) && !StatusFilter::One(404).has(400));
    }
}

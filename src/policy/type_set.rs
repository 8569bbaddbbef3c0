//! Which message types a hook looks at.

use std::ops::RangeInclusive;

/// A set of message types, as ranges whose ends are included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeSet(Vec<RangeInclusive<i32>>);

impl TypeSet {
    pub fn of(ranges: Vec<RangeInclusive<i32>>) -> TypeSet {
        TypeSet(ranges)
    }

    pub fn all() -> TypeSet {
        TypeSet(vec![i32::MIN..=i32::MAX])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn holds(&self, content_type: i32) -> bool {
        self.0.iter().any(|range| range.contains(&content_type))
    }

    /// Every type of the other is in this one; of an empty other, every type there is.
    pub fn covers(&self, other: &TypeSet) -> bool {
        let holds = |range: &RangeInclusive<i32>| {
            let mut ranges = self.0.iter();
            ranges.any(|own| own.contains(range.start()) && own.contains(range.end()))
        };
        match other.is_empty() {
            true => holds(&(i32::MIN..=i32::MAX)),
            false => other.0.iter().all(holds),
        }
    }

    /// Reads `101` or `200-500`.
    pub fn range_of(text: &str) -> Option<RangeInclusive<i32>> {
        let text = text.trim();
        if let Ok(single) = text.parse::<i32>() {
            return Some(single..=single);
        }
        let (low, high) = text.split_once('-')?;
        let range = low.trim().parse().ok()?..=high.trim().parse().ok()?;
        (range.start() <= range.end()).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_types_are_numbers_and_ranges() {
        let read = |text| TypeSet::range_of(text);
        assert_eq!(read("101"), Some(101..=101));
        assert_eq!(read(" 200-500 "), Some(200..=500));
        assert_eq!(read("-1"), Some(-1..=-1));
        assert_eq!(read("500-200"), None);
        assert_eq!(read("1-2-3"), None);
        assert_eq!(read("text"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("99999999999"), None);
    }
}

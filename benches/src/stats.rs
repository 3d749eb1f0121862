//! The two statistics that a comparison needs.

/// The middle value; of an even number the mean of the two middle ones.
///
/// # Panics
///
/// Panics if `values` is empty.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    assert!(!values.is_empty(), "the median of nothing");
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    if values.len() % 2 == 1 {
        values[upper]
    } else {
        f64::midpoint(values[upper - 1], values[upper])
    }
}

/// The median of the ratios between values of the same round.
///
/// A machine that slows down for a while slows both sides of a round, so this
/// is steadier than the ratio of the two medians.
pub fn median_ratio(values: &[f64], base: &[f64]) -> f64 {
    assert_eq!(values.len(), base.len(), "rounds that do not pair up");
    median(values.iter().zip(base).map(|(value, base)| value / base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_counts() {
        assert_eq!(median([3.0]), 3.0);
        assert_eq!(median([9.0, 1.0, 3.0]), 3.0);
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), 3.0);
    }

    #[test]
    #[should_panic(expected = "the median of nothing")]
    fn median_of_nothing() {
        median([]);
    }

    #[test]
    fn ratio_is_taken_within_a_round() {
        // Half as long in every round, on a machine that keeps changing pace.
        assert_eq!(median_ratio(&[10.0, 50.0, 20.0], &[20.0, 100.0, 40.0]), 0.5);
        // The medians alone (3 and 3) would call these two equal.
        assert_eq!(median_ratio(&[1.0, 3.0, 9.0], &[3.0, 9.0, 1.0]), 1.0 / 3.0);
    }

    #[test]
    fn one_bad_round_does_not_move_the_ratio() {
        assert_eq!(median_ratio(&[1.0, 900.0, 1.0], &[2.0, 2.0, 2.0]), 0.5);
    }

    #[test]
    #[should_panic(expected = "do not pair up")]
    fn ratio_of_unequal_rounds() {
        median_ratio(&[1.0], &[1.0, 2.0]);
    }
}

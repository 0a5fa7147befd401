//! Positions in a chart: the scale of an axis, and the text of a line through points.

use std::fmt::Write;

/// Maps values to positions along an axis, on a linear or logarithmic scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisScale {
    /// The values at both ends of the axis.
    pub values: (f64, f64),
    /// The positions of both ends. On a vertical axis of an SVG image, the first is the larger one.
    pub positions: (f64, f64),
    spacing: Spacing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spacing {
    Linear,
    Logarithmic,
}

impl AxisScale {
    /// Creates a scale on which equal differences have equal lengths.
    pub const fn linear(values: (f64, f64), positions: (f64, f64)) -> Self {
        Self {
            values,
            positions,
            spacing: Spacing::Linear,
        }
    }

    /// Creates a scale on which equal ratios have equal lengths. All values must be above zero.
    pub const fn logarithmic(values: (f64, f64), positions: (f64, f64)) -> Self {
        Self {
            values,
            positions,
            spacing: Spacing::Logarithmic,
        }
    }

    /// Returns the position of `value`, or the middle of the axis if both of its ends have the same
    /// value.
    pub fn position(&self, value: f64) -> f64 {
        let ((from, to), (start, end)) = (self.values, self.positions);
        let (distance, span) = match self.spacing {
            Spacing::Linear => (value - from, to - from),
            Spacing::Logarithmic => ((value / from).ln(), (to / from).ln()),
        };
        if span < f64::EPSILON {
            return f64::midpoint(start, end);
        }
        start + (end - start) * distance / span
    }
}

/// Returns the `points` attribute of an SVG `polyline`, with one decimal.
pub fn polyline(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    points.into_iter().fold(String::new(), |mut text, (x, y)| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{x:.1},{y:.1} ");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_positions(scale: AxisScale, expected: &[(f64, f64)]) {
        for (value, position) in expected {
            let found = scale.position(*value);
            assert!((found - position).abs() < 1e-9, "{value}: {found}");
        }
    }

    #[test]
    fn a_linear_scale_keeps_differences() {
        let scale = AxisScale::linear((-10.0, 30.0), (60.0, 740.0));
        assert_positions(scale, &[(-10.0, 60.0), (0.0, 230.0), (30.0, 740.0)]);
    }

    #[test]
    fn a_logarithmic_scale_keeps_ratios() {
        let scale = AxisScale::logarithmic((10.0, 1_000.0), (0.0, 1.0));
        assert_positions(scale, &[(10.0, 0.0), (100.0, 0.5), (1_000.0, 1.0)]);
    }

    #[test]
    fn a_vertical_axis_grows_upwards() {
        let scale = AxisScale::linear((0.0, 4.0), (244.0, 34.0));
        assert_positions(scale, &[(0.0, 244.0), (1.0, 191.5), (4.0, 34.0)]);
    }

    #[test]
    fn a_value_beyond_the_ends_is_outside_of_the_axis() {
        let scale = AxisScale::linear((0.0, 10.0), (0.0, 100.0));
        assert_positions(scale, &[(-1.0, -10.0), (11.0, 110.0)]);
    }

    #[test]
    fn a_single_value_is_in_the_middle() {
        let ends = ((7.0, 7.0), (20.0, 40.0));
        assert_positions(AxisScale::linear(ends.0, ends.1), &[(7.0, 30.0)]);
        assert_positions(AxisScale::logarithmic(ends.0, ends.1), &[(7.0, 30.0)]);
    }

    #[test]
    fn a_line_is_written_with_one_decimal() {
        assert_eq!(polyline([(0.0, 1.26), (10.04, -3.0)]), "0.0,1.3 10.0,-3.0 ");
        assert_eq!(polyline([]), "");
    }
}

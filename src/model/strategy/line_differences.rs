//! Checks that the lines of any two strategies can be distinguished, on light and on dark pages,
//! also by people with a colour vision deficiency.
//!
//! Colours are compared in OKLab (Björn Ottosson, "A perceptual color space for image processing",
//! 2020), where a distance of about 0.02 is just noticeable side by side. Deficiencies are
//! simulated by the matrices for severity 1.0 of Machado, Oliveira and Fernandes, "A
//! Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15 (6), 2009,
//! applied to linear RGB.

use super::{LineStyle, StrategyKey};

/// Two lines of one dash pattern must differ by this, for every reader. A thin line shows less
/// colour than an area, hence several times the just noticeable distance.
const SAME_DASH_MIN: f64 = 0.12;
/// Any two colours must differ by this for readers without a deficiency, and
const COLOUR_MIN: f64 = 0.06;
/// by this for readers with one.
const SIMULATED_MIN: f64 = 0.03;
/// The contrast of text, because some charts write a name in its colour (WCAG 2.2, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;
/// `--surface` of a light and of a dark page (`style/00-tokens.css`).
const SURFACES: [&str; 2] = ["#ffffff", "#15211d"];

type Rgb = [f64; 3];
type Matrix = [[f64; 3]; 3];

const VISIONS: [(&str, Matrix); 4] = [
    (
        "no deficiency",
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

/// Parses `#rrggbb` into linear RGB, each part from 0 to 1.
fn linear(colour: &str) -> Rgb {
    let part = |from: usize| {
        let byte = colour
            .get(from..from + 2)
            .map(|hex| u8::from_str_radix(hex, 16));
        let Some(Ok(byte)) = byte else {
            panic!("{colour:?} is not #rrggbb");
        };
        let value = f64::from(byte) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    assert_eq!(
        (colour.len(), colour.starts_with('#')),
        (7, true),
        "{colour:?}"
    );
    [part(1), part(3), part(5)]
}

fn times(matrix: &Matrix, vector: Rgb) -> Rgb {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

/// Converts linear RGB to OKLab: lightness, green to red, blue to yellow.
fn oklab(rgb: Rgb) -> [f64; 3] {
    let cones = times(
        &[
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ],
        rgb,
    );
    times(
        &[
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ],
        cones.map(f64::cbrt),
    )
}

/// Returns the distance of two colours as a reader with this vision sees them.
fn distance(one: &str, other: &str, vision: &Matrix) -> f64 {
    let seen = |colour| oklab(times(vision, linear(colour)).map(|part| part.clamp(0.0, 1.0)));
    let pairs = seen(one).into_iter().zip(seen(other));
    pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Returns the hue in degrees.
fn hue(colour: &str) -> f64 {
    let [_, a, b] = oklab(linear(colour));
    b.atan2(a).to_degrees().rem_euclid(360.0)
}

/// Returns the contrast as WCAG defines it.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour| {
        let [red, green, blue] = linear(colour);
        0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
    };
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

/// Returns the lengths of dashes and gaps in turn, in pixels at a line width of 3; none for a line
/// without gaps.
fn lengths(dash: &str) -> Vec<f64> {
    let lengths = dash
        .split(' ')
        .map(|length| length.parse().expect("a length"));
    lengths.filter(|length| *length > 0.0).collect()
}

/// Whether two patterns differ at a glance: one has more parts, or dashes at least twice as long.
fn dashes_differ(one: &str, other: &str) -> bool {
    let (one, other) = (lengths(one), lengths(other));
    if one.len() != other.len() {
        return true;
    }
    let longest = |lengths: &[f64]| lengths.iter().step_by(2).copied().fold(0.0, f64::max);
    let (one, other) = (longest(&one), longest(&other));
    one.max(other) >= one.min(other) * 2.0 && one.max(other) > 0.0
}

/// Returns every pair of strategies once.
fn pairs() -> impl Iterator<Item = (StrategyKey, StrategyKey)> {
    let all = StrategyKey::ALL;
    (0..all.len())
        .flat_map(move |one| (one + 1..all.len()).map(move |other| (all[one], all[other])))
}

/// The colours of a line on a light and on a dark page.
fn themes(line: LineStyle) -> [&'static str; 2] {
    [line.colour, line.colour_dark]
}

#[test]
fn any_two_lines_can_be_distinguished_by_every_reader() {
    for (one, other) in pairs() {
        let (a, b) = (one.line(), other.line());
        for (a_colour, b_colour) in themes(a).into_iter().zip(themes(b)) {
            for (vision, matrix) in &VISIONS {
                let distance = distance(a_colour, b_colour, matrix);
                let enough = match (dashes_differ(a.dash, b.dash), *vision) {
                    (false, _) => SAME_DASH_MIN,
                    (true, "no deficiency") => COLOUR_MIN,
                    (true, _) => SIMULATED_MIN,
                };
                assert!(
                    distance >= enough,
                    "{one} {a_colour} and {other} {b_colour}: {distance:.3} with {vision}, \
                     {enough} needed"
                );
            }
        }
    }
}

#[test]
fn a_line_can_be_seen_and_its_name_read_on_its_page() {
    for strategy in StrategyKey::ALL {
        for (colour, surface) in themes(strategy.line()).into_iter().zip(SURFACES) {
            let contrast = contrast(colour, surface);
            assert!(
                contrast >= CONTRAST_MIN,
                "{strategy} {colour}: {contrast:.2}"
            );
        }
    }
}

#[test]
fn a_strategy_has_one_hue_and_only_unsafe_ones_are_red() {
    for strategy in StrategyKey::ALL {
        let [light, dark] = themes(strategy.line()).map(hue);
        let apart = (light - dark).abs();
        assert!(
            apart.min(360.0 - apart) < 10.0,
            "{strategy}: {light:.0}° and {dark:.0}°"
        );
        for hue in [light, dark] {
            let is_red = (0.0..50.0).contains(&hue);
            assert_eq!(is_red, !strategy.is_safe(), "{strategy}: {hue:.0}°");
        }
    }
}

#[test]
fn the_gaps_of_a_dash_pattern_do_not_close() {
    for strategy in StrategyKey::ALL {
        let lengths = lengths(strategy.line().dash);
        assert!(
            lengths.len().is_multiple_of(2),
            "{strategy}: dashes and gaps in pairs"
        );
        let gaps = lengths.iter().skip(1).step_by(2);
        // A gap narrower than the line, which is 3 pixels wide, looks closed on a dark page.
        assert!(
            gaps.copied().all(|gap| gap > 4.0),
            "{strategy}: {lengths:?}"
        );
    }
}

#[test]
fn colours_are_converted_and_deficiencies_simulated_as_published() {
    let close = |one: f64, other: f64| (one - other).abs() < 1e-3;
    for (colour, expected) in [
        ("#ffffff", [1.0, 0.0, 0.0]),
        ("#ff0000", [0.627_955, 0.224_863, 0.125_846]),
        ("#0000ff", [0.452_014, -0.032_457, -0.311_528]),
    ] {
        let found = oklab(linear(colour));
        assert!(
            found.into_iter().zip(expected).all(|(a, b)| close(a, b)),
            "{colour}: {found:?}"
        );
    }
    let [normal, protanopia, deuteranopia, tritanopia] =
        VISIONS.map(|(_, matrix)| distance("#b03030", "#507020", &matrix));
    assert!(protanopia < normal / 2.0 && deuteranopia < normal / 2.0);
    assert!(tritanopia > normal / 2.0, "red and green stay apart");
    for (vision, matrix) in &VISIONS {
        let grey = distance("#808080", "#808080", matrix);
        let seen = times(matrix, [0.5; 3]);
        assert!(
            grey < 1e-9 && seen.into_iter().all(|part| close(part, 0.5)),
            "{vision}"
        );
    }
}

#[test]
fn dash_patterns_are_compared_by_their_parts() {
    for (one, other, differ) in [
        ("0", "16 6", true),
        ("16 6", "12 6", false),
        ("16 6", "7 5", true),
        ("16 6", "14 5 3 5", true),
        ("0", "0", false),
    ] {
        assert_eq!(dashes_differ(one, other), differ, "{one} and {other}");
        assert_eq!(dashes_differ(other, one), differ, "{other} and {one}");
    }
}

//! The line chart: orders per second against buyers, both axes logarithmic, one line for each
//! strategy with its name at its end.

use leptos::prelude::*;

use super::number;
use crate::{
    model::{AxisScale, polyline},
    simulation::sweep::{Sweep, figures::CellFigures},
};

/// Number of lines that fit into a chart of the default height.
const LINES_WITHOUT_GROWTH: usize = 6;

/// One chart for wide windows and paper, and one for phones, where the text of the wide one would
/// be too small to read.
const FRAMES: [Frame; 2] = [
    Frame {
        class: "wide",
        width: 620.0,
        height: 440.0,
        left: 56.0,
        labels: 138.0,
        label_height: 15.0,
    },
    Frame {
        class: "narrow",
        width: 350.0,
        height: 420.0,
        left: 44.0,
        labels: 112.0,
        label_height: 13.5,
    },
];
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;

struct Frame {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    /// Width reserved for the strategy names.
    labels: f64,
    label_height: f64,
}

impl Frame {
    /// Returns the frame, higher if there are many lines, so that their names do not overlap.
    fn for_lines(self, lines: usize) -> Self {
        let more = u32::try_from(lines.saturating_sub(LINES_WITHOUT_GROWTH)).unwrap_or_default();
        Self {
            height: self.height + self.label_height * f64::from(more),
            ..self
        }
    }
}

/// The line of one strategy.
struct Line<'a> {
    name: String,
    class: String,
    cells: Vec<&'a CellFigures>,
}

/// Renders both charts of one stock, or a notice if nothing was sold.
pub fn figure(sweep: &Sweep, stock: u32) -> AnyView {
    let lines = lines(sweep, stock);
    let speeds = lines.iter().flat_map(|line| &line.cells);
    let bounds = speeds.fold((f64::INFINITY, 0.0_f64), |(low, high), cell| {
        let speed = &cell.orders_per_second;
        (
            low.min(speed.min.max(speed.median / 10.0)),
            high.max(speed.max),
        )
    });
    if lines.is_empty() {
        return view! { <p class="quiet">"Nothing was sold, so there is no speed to show."</p> }
            .into_any();
    }
    let charts = FRAMES.map(|frame| {
        let frame = frame.for_lines(lines.len());
        let axes = LogAxes::new(&frame, &sweep.plan.buyers, bounds);
        chart(&frame, &axes, &lines, &sweep.plan.buyers)
    });
    view! {
        <figure class="lines">
            {charts.into_iter().collect_view()}
            <figcaption>"Both axes are logarithmic. A bar through a point spans the slowest to the fastest repeat."</figcaption>
        </figure>
    }
    .into_any()
}

fn lines(sweep: &Sweep, stock: u32) -> Vec<Line<'_>> {
    let lines = sweep.plan.strategies.iter().map(|strategy| Line {
        name: if strategy.is_safe() {
            strategy.to_string()
        } else {
            format!("{strategy} ⚠")
        },
        class: format!("lane-line--{strategy}"),
        cells: sweep
            .cells
            .iter()
            .filter(|cell| cell.strategy == *strategy && cell.stock == stock)
            .filter(|cell| cell.orders_per_second.median > 0.0)
            .collect(),
    });
    lines.filter(|line| !line.cells.is_empty()).collect()
}

/// The logarithmic axes of a chart.
struct LogAxes {
    buyers: AxisScale,
    speeds: AxisScale,
}

impl LogAxes {
    fn new(frame: &Frame, buyers: &[u32], (slowest, fastest): (f64, f64)) -> Self {
        let first = buyers.first().copied().unwrap_or(1);
        let last = buyers.last().copied().unwrap_or(1);
        let x = (frame.left + 14.0, frame.width - frame.labels - 18.0);
        let y = (frame.height - BOTTOM, TOP);
        Self {
            buyers: AxisScale::logarithmic((first.into(), last.into()), x),
            // Some space above and below the lines.
            speeds: AxisScale::logarithmic((slowest / 1.25, fastest * 1.25), y),
        }
    }

    /// Returns round speeds within the chart, as many per power of ten as fit.
    fn round_speeds(&self) -> Vec<f64> {
        let (low, high) = self.speeds.values;
        let decades = (high / low).log10();
        let steps: &[f64] = match decades {
            many if many > 2.5 => &[1.0],
            some if some > 0.9 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        (-2..8)
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .filter(|speed| (low..=high).contains(speed))
            .collect()
    }
}

fn chart(
    frame: &Frame,
    axes: &LogAxes,
    lines: &[Line<'_>],
    buyers: &[u32],
) -> impl IntoView + use<> {
    let right = frame.width - frame.labels;
    let bottom = frame.height - BOTTOM;
    let grid = axes.round_speeds().into_iter().map(|speed| {
        let y = tenths(axes.speeds.position(speed));
        view! {
            <line class="grid" x1=frame.left x2=right y1=y.clone() y2=y.clone()></line>
            <text class="tick end" x=frame.left - 8.0 y=y dy="4">{number::short(speed).replace(".0", "")}</text>
        }
    });
    let grid = grid.collect_view();
    let ticks = ticks(frame, axes, buyers);
    let places = label_places(frame, axes, lines);
    let curves = lines
        .iter()
        .zip(places)
        .map(|(line, place)| curve(frame, axes, line, place));
    let curves = curves.collect_view();
    view! {
        <svg class=frame.class viewBox=format!("0 0 {} {}", frame.width, frame.height) role="img"
            aria-label="Orders per second against buyers, one line for each strategy; the tables below list the figures">
            {grid}
            <line class="axis" x1=frame.left x2=right y1=bottom y2=bottom></line>
            {ticks}
            <text class="title" x="2" y="14">"Orders/s"</text>
            <text class="title mid" x=f64::midpoint(frame.left, right) y=frame.height - 6.0>"Buyers"</text>
            {curves}
        </svg>
    }
}

/// Renders a tick for each measured number of buyers, with a label if it fits.
fn ticks(frame: &Frame, axes: &LogAxes, buyers: &[u32]) -> impl IntoView + use<> {
    const ROOM: f64 = 30.0;
    let bottom = frame.height - BOTTOM;
    let mut last = f64::NEG_INFINITY;
    let mut ticks = Vec::new();
    for &count in buyers {
        let x = axes.buyers.position(count.into());
        let has_room = x - last >= ROOM;
        if has_room {
            last = x;
        }
        let label = has_room.then(|| number::grouped(count.into()));
        ticks.push(view! {
            <line class="axis" x1=tenths(x) x2=tenths(x) y1=bottom y2=bottom + 5.0></line>
            <text class="tick mid" x=tenths(x) y=bottom + 19.0>{label}</text>
        });
    }
    ticks.collect_view()
}

/// Computes the position of each line's name: at the line's end, moved so that no two names
/// overlap.
fn label_places(frame: &Frame, axes: &LogAxes, lines: &[Line<'_>]) -> Vec<f64> {
    let mut desired: Vec<(usize, f64)> = lines
        .iter()
        .map(|line| {
            axes.speeds.position(
                line.cells
                    .last()
                    .map_or(1.0, |cell| cell.orders_per_second.median),
            )
        })
        .enumerate()
        .collect();
    desired.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let (first, last) = (TOP, frame.height - 14.0);
    let mut lowest = first;
    for (_, y) in &mut desired {
        *y = y.max(lowest);
        lowest = *y + frame.label_height;
    }
    let mut highest = last;
    for (_, y) in desired.iter_mut().rev() {
        *y = y.min(highest);
        highest = *y - frame.label_height;
    }
    let mut places = vec![0.0; lines.len()];
    for (index, y) in desired {
        places[index] = y;
    }
    places
}

fn curve(frame: &Frame, axes: &LogAxes, line: &Line<'_>, label_y: f64) -> impl IntoView + use<> {
    let place = |cell: &CellFigures| {
        (
            axes.buyers.position(cell.buyers.into()),
            axes.speeds.position(cell.orders_per_second.median),
        )
    };
    let path = polyline(line.cells.iter().map(|cell| place(cell)));
    let points = line.cells.iter().map(|cell| {
        let (x, y) = place(cell);
        let speed = &cell.orders_per_second;
        let (x, y) = (tenths(x), tenths(y));
        let (low, high) = (
            tenths(axes.speeds.position(speed.min.max(axes.speeds.values.0))),
            tenths(axes.speeds.position(speed.max)),
        );
        view! {
            <line class="spread" x1=x.clone() x2=x.clone() y1=low y2=high></line>
            <circle cx=x cy=y r="3.5"></circle>
        }
    });
    let points = points.collect_view();
    let (end_x, end_y) = line.cells.last().map_or((0.0, 0.0), |cell| place(cell));
    let label_x = frame.width - frame.labels;
    let leader = format!("{end_x:.1},{end_y:.1} {:.1},{label_y:.1}", label_x - 3.0);
    view! {
        <g class=line.class.clone()>
            <polyline class="leader" points=leader></polyline>
            <polyline class="curve" points=path></polyline>
            {points}
            <text class="name" x=label_x y=tenths(label_y) dy="4">{line.name.clone()}</text>
        </g>
    }
}

fn tenths(place: f64) -> String {
    format!("{place:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::sweep::{figures, matrix::tests::plan};

    #[test]
    fn names_never_overlap_or_leave_the_chart() {
        let cells = figures::of_cells(&plan(), &[]);
        // Fourteen lines that end in the same point.
        let lines: Vec<Line<'_>> = (0..14)
            .map(|_| Line {
                name: String::new(),
                class: String::new(),
                cells: vec![&cells[0]],
            })
            .collect();
        for frame in &FRAMES {
            let axes = LogAxes::new(frame, &[1, 64], (1.0, 10.0));
            let mut places = label_places(frame, &axes, &lines);
            places.sort_by(f64::total_cmp);
            assert!(
                places
                    .windows(2)
                    .all(|pair| pair[1] - pair[0] > frame.label_height - 0.01)
            );
            assert!(places[0] >= TOP - 0.01 && places[13] <= frame.height);
        }
    }
}

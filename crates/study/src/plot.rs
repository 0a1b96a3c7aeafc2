//! Charts as SVG and PNG, by the library `plotters`. The font is built in: there may be none on the machine.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, ErrorBar, PathElement};
use plotters::series::LineSeries;
use plotters::style::{BLACK, Color, FontStyle, RGBColor, WHITE, register_font};

use crate::outcome::Estimate;

/// Pixels of a chart, across and down.
const SIZE: (u32, u32) = (960, 640);

static FONT: &[u8] = include_bytes!("../assets/roboto-latin.ttf");
/// What the font is called in an SVG: whoever shows it takes his own.
const FAMILY: &str = "sans-serif";

/// Okabe and Ito's colours, which the colour-blind can tell apart too.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// Points with their intervals, theory drawn over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it.
    pub x: String,
    /// Left of it.
    pub y: String,
    /// What is drawn.
    pub curves: Vec<Curve>,
}

/// One colour of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// For the legend.
    pub name: String,
    /// Simulated.
    pub points: Vec<(f64, Estimate)>,
    /// Expected.
    pub theory: Vec<(f64, f64)>,
}

/// A chart that can't be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("a chart of no points, expected at least one")]
    Empty,
    /// The library gave up.
    #[error("the chart can't be drawn: {0}")]
    Drawing(String),
    /// The picture can't be encoded.
    #[error("the chart can't be written as PNG")]
    Png(#[from] png::EncodingError),
}

impl Chart {
    /// As SVG.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn svg(&self) -> Result<String, PlotError> {
        let mut text = String::new();
        self.draw(SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
        Ok(text)
    }

    /// As PNG.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        let mut pixels = vec![0; SIZE.0 as usize * SIZE.1 as usize * 3];
        self.draw(BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }

    /// The values that have to fit, across and up.
    fn bounds(&self) -> Option<((f64, f64), f64)> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let theory = self.curves.iter().flat_map(|curve| &curve.theory);
        let all: Vec<(f64, f64)> =
            points.map(|(x, estimate)| (*x, estimate.high)).chain(theory.copied()).collect();
        let first = all.first()?;
        let (low, high, top) =
            all.iter().fold((first.0, first.0, 0.0f64), |(low, high, top), &(x, y)| {
                (low.min(x), high.max(x), top.max(y))
            });
        let high = if high > low { high } else { low + 1.0 };
        Some(((low, high), if top > 0.0 { 1.05 * top } else { 1.0 }))
    }

    fn draw<B: DrawingBackend>(&self, area: DrawingArea<B, Shift>) -> Result<(), PlotError> {
        let failed = |error: &dyn std::fmt::Display| PlotError::Drawing(error.to_string());
        if register_font(FAMILY, FontStyle::Normal, FONT).is_err() {
            return Err(PlotError::Drawing("the built-in font can't be read".to_owned()));
        }
        let ((low, high), top) = self.bounds().ok_or(PlotError::Empty)?;
        area.fill(&WHITE).map_err(|e| failed(&e))?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, (FAMILY, 24))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(low..high, 0.0..top)
            .map_err(|e| failed(&e))?;
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .label_style((FAMILY, 16))
            .axis_desc_style((FAMILY, 18))
            .light_line_style(WHITE.mix(0.0))
            .draw()
            .map_err(|e| failed(&e))?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().copied().cycle()) {
            let line = LineSeries::new(curve.theory.iter().copied(), colour.stroke_width(2));
            chart.draw_series(line).map_err(|e| failed(&e))?;
            let bars = curve.points.iter().map(|&(x, estimate)| {
                ErrorBar::new_vertical(
                    x,
                    estimate.low.max(0.0),
                    estimate.mean,
                    estimate.high,
                    colour.filled(),
                    6,
                )
            });
            chart.draw_series(bars).map_err(|e| failed(&e))?;
            let dots = curve
                .points
                .iter()
                .map(|&(x, estimate)| Circle::new((x, estimate.mean), 3, colour.filled()));
            chart.draw_series(dots).map_err(|e| failed(&e))?.label(&curve.name).legend(
                move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(3)),
            );
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font((FAMILY, 16))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(|e| failed(&e))?;
        area.present().map_err(|e| failed(&e))
    }
}

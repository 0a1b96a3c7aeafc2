//! `outlast inspect`.

use outlast_image::Reader;

use crate::args::capsule::InspectArgs;
use crate::exit::{Exit, Failure};
use crate::render;
use crate::ui::Ui;

/// `outlast inspect`.
pub(super) fn inspect(ui: &mut Ui, args: &InspectArgs) -> Result<Exit, Failure> {
    let failed = |error: outlast_image::ImageError| Failure::failed(error.to_string());
    let reader = Reader::open(&args.image).map_err(failed)?;
    if args.verify {
        reader.verify().map_err(failed)?;
    }
    let content = render::image::Content::of(&args.image, &reader, args.verify);
    if ui.json {
        ui.print_json(&content)?;
    } else {
        ui.print(&render::image::image(&content, ui.width))?;
    }
    Ok(Exit::OK)
}

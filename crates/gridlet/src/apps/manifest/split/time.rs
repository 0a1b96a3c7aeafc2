//! `by = "time"`: a film is cut at key frames; its parts are encoded apart and joined without
//! encoding them again. All that isn't pictures (sound, subtitles) is one more cell of its own,
//! as encoders of sound need what came before.
//!
//! ```text
//!  film ──describe──▶ streams ──index──▶ packets ──▶ cuts ──cut──▶ parts, a file for each
//!   └─────copy──▶ the rest                                            │ [gridlet] run
//!          │ [split.rest] run                                         ▼
//!          └──────────────────────────────▶ [merge]  ◀── pictures, encoded
//! ```
//!
//! The manifest has the commands, this module the arithmetic: where a film can be cut at all
//! ([`cuts`]) and when each part is shown ([`clock`]). Whatever it isn't sure of is a reason to run the
//! command as a whole, in one gridlet, and to say so: a film that wasn't split is slow, one that lacks
//! a picture is wrong.
//!
//! **Invariants.** Cell 0 is the rest if there is one; the other cells are the parts in the order in
//! which they are shown. A gridlet is sent its own parts and nothing else.
//!
//! It doesn't split films of several video streams, filters that look at more than one picture, or a
//! film with pictures at uneven times if they have to get even ones.

mod clock;
mod cuts;
mod filters;
mod media;
mod spec;

use serde::{Deserialize, Serialize};

use outlast_types::{Axis, CellGrid, CellId, GridletId, Region, limits};

use self::clock::{Clock, Span};
use self::cuts::Part;
use self::media::{Carries, Media, Packet, seconds};
pub(in crate::apps::manifest) use self::spec::Time;
use super::{Cells, Opening, Pieces, Plan, Uncut};
use crate::apps::manifest::expr::Values;
use crate::apps::manifest::template::Template;
use crate::apps::manifest::value::Value;
use crate::{Gridlet, InputFile, Ran, Tool};

/// Parts of one film at most: each is a file and a process, and the joining program reads a list of all.
const PARTS: usize = 1024;

/// Parts of one gridlet at most: each is a cell, and needn't be done again if its worker dies.
const GRIDLET_PARTS: usize = 4;

/// Seconds of film for which a gridlet gets one more part.
const PART_SECONDS: f64 = 10.0;

/// What the rest costs, in pictures for each picture of the film.
const REST_COST: f64 = 0.05;

/// What is saved of a film: what each cell is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::apps::manifest) struct Film {
    /// The variables of each cell.
    cells: Vec<Values>,
    /// Its own file, by the name at the worker.
    needs: Vec<String>,
    /// Whether cell 0 is the rest.
    rest: bool,
    /// Variables of the whole.
    whole: Values,
}

/// A film that is being cut.
struct Cutting<'a> {
    time: &'a Time,
    opening: &'a Opening<'a>,
    values: Values,
    folder: String,
}

impl Time {
    /// Cuts the film.
    pub(super) fn cut_film(&self, opening: &Opening<'_>) -> Result<Plan, Uncut> {
        let mut cutting = Cutting {
            time: self,
            opening,
            values: opening.values.clone(),
            folder: opening.files.scratch().map_err(|error| Uncut::Whole(error.to_string()))?,
        };
        cutting.plan()
    }
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

impl Cutting<'_> {
    fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    fn word(&self, template: &Template) -> Result<String, Uncut> {
        template.word(&self.values).map_err(Uncut::Whole)
    }

    fn words(&self, templates: &[Template], values: &Values) -> Result<Vec<String>, Uncut> {
        let words = templates.iter().map(|template| template.words(values));
        let words: Result<Vec<Vec<String>>, String> = words.collect();
        words.map(|words| words.concat()).map_err(Uncut::Whole)
    }

    /// Runs one of the manifest's commands here, whatever comes of it.
    fn attempt(&self, run: &[Template]) -> Result<Ran, Uncut> {
        let mut words = self.words(run, &self.values)?;
        let program = if words.is_empty() { String::new() } else { words.remove(0) };
        let tool = Tool { program, args: words, timeout_s: self.time.timeout_s };
        self.opening.files.run(&tool).map_err(|error| Uncut::Whole(error.to_string()))
    }

    /// Runs one of the manifest's commands here.
    fn run(&self, run: &[Template], what: &str) -> Result<Vec<u8>, Uncut> {
        let ran = self.attempt(run)?;
        if ran.exit == 0 { Ok(ran.stdout) } else { Err(failed(what, &ran)) }
    }

    fn plan(&mut self) -> Result<Plan, Uncut> {
        let time = self.time;
        let film = self.word(&time.film)?;
        if !self.opening.files.is_file(&film) {
            return Err(Uncut::Whole(format!("`{film}` is no file")));
        }
        let container = self.word(&time.container)?.to_ascii_lowercase();
        let times = self.word(&time.keeps_times)?;
        let evens = time.constant.contains(&container);
        if !evens && !time.variable.contains(&container) {
            return Err(Uncut::Whole(format!("parts of a `{container}` file can't be joined")));
        }
        let constant = evens && times.is_empty();
        let json = self.run(&time.describe, "it can't be read")?;
        let media = Media::read(&json).map_err(Uncut::Whole)?;
        let pictures = media.pictures().map_err(Uncut::Whole)?;
        let rate = pictures.rate.ok_or_else(|| whole("its rate of pictures is unknown"))?;
        let packets = media::packets(&self.run(&time.index, "its pictures can't be listed")?);
        let packets = packets.map_err(Uncut::Whole)?;
        if !packets.first().is_some_and(|packet| packet.key) {
            return Err(whole("it doesn't begin with a key frame"));
        }
        let clock = Clock { tick: pictures.time_base, rate, start_us: media.start_us };
        let even = clock.is_even(&packets);
        if constant && !even {
            return Err(Uncut::Whole(format!(
                "its pictures come at uneven times, which a {container} file evens out over the \
                 whole of it ({})",
                time.uneven
            )));
        }
        let filters = self.filters(pictures.rotation)?;
        let encoder = self.encoder()?;
        let choice = self.choice(&media)?;
        let length_us = packets.len() as f64 / (rate.num as f64 / rate.den as f64);
        let (wanted, each) = self.sizes(length_us);
        let possible = cuts::possible(&packets, clock.gap());
        let chosen = cuts::choose(packets.len(), &possible, wanted);
        if chosen.is_empty() {
            return Err(Uncut::Whole(match packets.iter().filter(|packet| packet.key).count() {
                1 => "it has no key frame but the first".to_owned(),
                _ => format!("{length_us:.1} s are too short to be cut where it can be"),
            }));
        }
        let parts = cuts::parts(&packets, &chosen);
        let spans = clock.spans(&parts, even, constant);
        let mut film = self.cut(&packets, &clock, &parts, &spans, constant, &filters)?;
        for cell in &mut film.cells {
            cell.insert("encoder_options".to_owned(), Value::Texts(encoder.clone()));
        }
        self.rest(&mut film, &media, &container, choice)?;
        if media.chapters && !film.rest {
            return Err(whole("it has chapters, and no sound that could carry them"));
        }
        self.finish(film, &parts, each, &spans)
    }

    /// How many parts, and how many of them make a gridlet.
    fn sizes(&self, length_s: f64) -> (usize, usize) {
        let hint = &self.opening.hint;
        let most = (length_s / self.time.least_s).clamp(1.0, PARTS as f64) as usize;
        let gridlets = super::wanted(hint, most as u64) as usize;
        let each = (length_s / gridlets as f64 / PART_SECONDS) as usize;
        let each = each.clamp(1, GRIDLET_PARTS).min((PARTS / gridlets).max(1));
        (gridlets * each, each)
    }

    /// What comes before the user's own filters: turning pictures that are shown turned.
    fn filters(&self, rotation: f64) -> Result<Vec<String>, Uncut> {
        let user = self.word(&self.time.filter)?;
        filters::check(&user, &self.time.each_picture).map_err(Uncut::Whole)?;
        let degrees = rotation.rem_euclid(360.0).round() as i64 % 360;
        let turned = match degrees {
            0 => None,
            degrees => Some(self.time.turned.get(&degrees).ok_or_else(|| {
                Uncut::Whole(format!("its pictures are shown turned by {degrees} degrees"))
            })?),
        };
        Ok(turned.cloned().into_iter().chain(Some(user).filter(|user| !user.is_empty())).collect())
    }

    /// What the encoder needs besides the user's options.
    fn encoder(&self) -> Result<Vec<String>, Uncut> {
        let Some(encoders) = &self.time.encoders else { return Ok(Vec::new()) };
        let name = self.word(&encoders.by)?;
        match encoders.options.get(&name) {
            Some(templates) => self.words(templates, &self.values),
            None => Ok(Vec::new()),
        }
    }

    /// The words that choose streams of the rest.
    fn choice(&self, media: &Media) -> Result<Vec<String>, Uncut> {
        let given = self.values.get(&self.time.choose.variable).map(Value::words);
        let given = given.unwrap_or_default();
        let choose = &self.time.choose;
        let mut words = Vec::new();
        for (k, choice) in given.iter().enumerate() {
            let (pictures, rest) = (choose.pictures.is_match(choice), choose.rest.is_match(choice));
            let all = choose.all.is_match(choice);
            let first = media.streams.first().map(|stream| stream.carries);
            let plain = |stream: &media::Stream| stream.carries != Carries::Cover;
            let plain =
                !all || (first == Some(Carries::Pictures) && media.streams.iter().all(plain));
            // The pictures are the first stream of the joined film.
            let fits = plain && if k == 0 { pictures || all } else { rest };
            if !fits {
                return Err(Uncut::Whole(format!("`{} {choice}` was given", choose.option)));
            }
            if rest || all {
                words.extend([choose.option.clone(), choice.clone()]);
            }
        }
        Ok(words)
    }

    /// Writes the parts, and says what each is.
    fn cut(
        &mut self,
        packets: &[Packet],
        clock: &Clock,
        parts: &[Part],
        spans: &[Span],
        constant: bool,
        filters: &[String],
    ) -> Result<Prepared, Uncut> {
        let time = self.time;
        let ext = &time.extension;
        let mut prepared =
            Prepared { cells: Vec::new(), inputs: Vec::new(), rest: false, offset_us: 0 };
        let mut files = vec![(String::new(), 0); parts.len()];
        let mut looks = None;
        for (number, pass) in cuts::passes(packets.len(), parts).iter().enumerate() {
            // Without a border all of it is one file: a border behind the end.
            let borders =
                if pass.borders.is_empty() { vec![packets.len()] } else { pass.borders.clone() };
            let borders: Vec<String> = borders.iter().map(usize::to_string).collect();
            let folder = self.folder.clone();
            let path = |file: &str| format!("{folder}/{number}-{file}.{ext}");
            let pattern = path("%d");
            self.set("borders", text(borders.join(",")));
            self.set("files", text(pattern));
            self.run(&time.cut, "it can't be cut")?;
            for (part, file) in &pass.files {
                let path = path(&file.to_string());
                let first = self.first(&path)?;
                if *looks.get_or_insert(first.looks.clone()) != first.looks {
                    return Err(whole("its pictures change their form on the way"));
                }
                let shift = clock.us(packets[parts[*part].from].pts) - first.us;
                files[*part] = (path, shift);
            }
        }
        for (k, ((source, shift), span)) in files.into_iter().zip(spans).enumerate() {
            let trim = span.trim_us.map(|us| time.drop_before.replace("{time}", &seconds(us)));
            let chain: Vec<String> = trim.into_iter().chain(filters.iter().cloned()).collect();
            let filters = match chain.is_empty() {
                true => Vec::new(),
                false => vec![time.filter_option.clone(), chain.join(",")],
            };
            let mode = if constant && k == 0 { &time.first_mode } else { &time.mode };
            let length = spans.get(k + 1).map(|next| next.begin_us - span.begin_us);
            let name = format!("part-{k:05}.{ext}");
            let line = match length {
                Some(length) => format!("file {name}\nduration {}", seconds(length)),
                None => format!("file {name}"),
            };
            let input = format!("parts/{k:05}.{ext}");
            prepared.cells.push(Values::from([
                ("part".to_owned(), text(input.clone())),
                ("name".to_owned(), text(name)),
                ("shift".to_owned(), text(seconds(shift))),
                ("filters".to_owned(), Value::Texts(filters)),
                ("mode".to_owned(), text(mode.clone())),
                ("line".to_owned(), text(line)),
                ("offset".to_owned(), text("0")),
                ("choice".to_owned(), Value::Texts(Vec::new())),
            ]));
            prepared.inputs.push(InputFile { name: input, source });
        }
        Ok(prepared)
    }

    /// The first picture of a part that was written, which has to stand for itself: some files call a
    /// place a key frame from which a film only recovers little by little.
    fn first(&mut self, path: &str) -> Result<media::First, Uncut> {
        if !self.opening.files.is_file(path) {
            return Err(whole("cutting it gave fewer parts than it should"));
        }
        self.set("file", text(path));
        let first = media::first(&self.run(&self.time.look, "its parts can't be read")?);
        let alone = first.filter(|first| first.intra);
        alone.ok_or_else(|| whole("its key frames can't be decoded without what is before"))
    }

    /// Copies what isn't pictures, and finds out whether anything of it will be in the joined film.
    fn rest(
        &mut self,
        prepared: &mut Prepared,
        media: &Media,
        container: &str,
        choice: Vec<String>,
    ) -> Result<(), Uncut> {
        let rest = &self.time.rest;
        let ext = self.word(&rest.extension)?;
        let input = format!("rest.{ext}");
        let source = format!("{}/{input}", self.folder);
        let shifted = rest.shifted.iter().any(|name| name == container);
        let offset = if shifted { rest.offset } else { 0 };
        let cell = Values::from([
            ("part".to_owned(), text(input.clone())),
            ("name".to_owned(), text(format!("other.{container}"))),
            ("shift".to_owned(), text(seconds(-media.start_us))),
            ("filters".to_owned(), Value::Texts(Vec::new())),
            ("mode".to_owned(), text("")),
            ("line".to_owned(), text("")),
            ("offset".to_owned(), text(offset.to_string())),
            ("choice".to_owned(), Value::Texts(choice)),
            ("encoder_options".to_owned(), Value::Texts(Vec::new())),
        ]);
        if !media.has_more() {
            return Ok(());
        }
        self.set("file", text(source.clone()));
        let copied = self.attempt(&rest.copy)?;
        if self.said_nothing(&copied, "its sound can't be copied")? {
            return Ok(());
        }
        self.values.extend(cell.clone());
        self.set("part", text(source.clone()));
        self.set("try", text(format!("{}/try.{container}", self.folder)));
        let tried = self.attempt(&rest.try_)?;
        if self.said_nothing(&tried, "its sound can't be encoded apart")? {
            return Ok(());
        }
        prepared.rest = true;
        prepared.offset_us = offset * 1_000_000;
        prepared.cells.insert(0, cell);
        prepared.inputs.insert(0, InputFile { name: input, source });
        Ok(())
    }

    /// Whether a command for the rest failed because there is none.
    fn said_nothing(&self, ran: &Ran, what: &str) -> Result<bool, Uncut> {
        let nothing = &self.time.rest.nothing;
        match ran.exit {
            0 => Ok(false),
            _ if !nothing.is_empty() && ran.stderr.contains(nothing) => Ok(true),
            _ => Err(failed(what, ran)),
        }
    }

    fn finish(
        &self,
        prepared: Prepared,
        parts: &[Part],
        each: usize,
        spans: &[Span],
    ) -> Result<Plan, Uncut> {
        let Prepared { cells, inputs, rest, offset_us } = prepared;
        let count = cells.len() as u64;
        let grid = CellGrid::new(vec![Axis::new(count, 1)])
            .map_err(|error| Uncut::Whole(error.to_string()))?;
        let first = u64::from(rest);
        let pictures = |part: &Part| (part.packets.end - part.from) as f64;
        let all: f64 = parts.iter().map(pictures).sum();
        let mut gridlets: Vec<Gridlet> = Vec::new();
        let mut push = |cells: std::ops::Range<u64>, cost: f64| {
            let id = GridletId(gridlets.len() as u32);
            gridlets.push(Gridlet { id, cells: Region::new(vec![cells]), cost });
        };
        if rest {
            push(0..1, all * REST_COST);
        }
        let each = each.clamp(1, limits::GRIDLET_CELLS);
        for (k, group) in parts.chunks(each).enumerate() {
            let start = first + (k * each) as u64;
            push(start..start + group.len() as u64, group.iter().map(pictures).sum());
        }
        let mut whole = self.whole(rest, &cells)?;
        // As much later as the rest, until both are joined.
        let begin = spans.first().map_or(0, |span| span.begin_us) + offset_us;
        whole.insert("begin".to_owned(), text(seconds(begin)));
        let brought = parts.iter().filter(|part| part.from < part.packets.start).count();
        let mut notes = vec![format!(
            "{} parts, cut at key frames{}{}",
            parts.len(),
            if rest { "; sound and the like apart" } else { "" },
            if brought > 0 { "; open groups are decoded twice at the cuts" } else { "" },
        )];
        notes.extend(self.time.note.clone());
        let needs = inputs.iter().map(|input| input.name.clone()).collect();
        let film = Film { cells, needs, rest, whole };
        Ok(Plan { grid, gridlets, pieces: Pieces::Time(film), inputs, notes })
    }

    /// The variables of the merge.
    fn whole(&self, has_rest: bool, cells: &[Values]) -> Result<Values, Uncut> {
        let rest = &self.time.rest;
        let (input, streams) = match has_rest {
            true => (&rest.join_input, &rest.join_streams),
            false => (&rest.alone_input, &rest.alone_streams),
        };
        let mut values = self.values.clone();
        values.extend(cells.first().cloned().unwrap_or_default());
        let words = |templates| self.words(templates, &values).map(Value::Texts);
        Ok(Values::from([
            ("rest_input".to_owned(), words(input)?),
            ("rest_streams".to_owned(), words(streams)?),
        ]))
    }
}

/// What is prepared of a film.
struct Prepared {
    cells: Vec<Values>,
    inputs: Vec<InputFile>,
    rest: bool,
    /// By so much the rest is late.
    offset_us: i64,
}

fn failed(what: &str, ran: &Ran) -> Uncut {
    let said = ran.stderr.trim().lines().last().unwrap_or("it didn't say why");
    Uncut::Whole(format!("{what}: {said}"))
}

fn whole(reason: &str) -> Uncut {
    Uncut::Whole(reason.to_owned())
}

impl Cells for Film {
    fn values(&self, _: &CellGrid, cells: &[CellId]) -> Values {
        let first = cells.first().and_then(|cell| self.cells.get(cell.0 as usize));
        let mut values = first.cloned().unwrap_or_default();
        let piece = cells.first().map_or(0, |cell| i64::from(cell.0));
        values.insert("piece".to_owned(), Value::Integer(piece));
        values
    }

    fn needs(&self, _: &CellGrid, cells: &[CellId]) -> Vec<String> {
        let need = |cell: &CellId| self.needs.get(cell.0 as usize).cloned();
        cells.iter().filter_map(need).collect()
    }

    fn owned(&self) -> &[String] {
        &self.needs
    }

    fn is_other(&self, cells: &[CellId]) -> bool {
        self.rest && cells.first() == Some(&CellId(0))
    }

    fn whole(&self) -> Values {
        self.whole.clone()
    }
}

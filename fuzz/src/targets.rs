//! All targets. One module for each kind of input; a new target is a function and a line in [`TARGETS`], and a test
//! in `tests/run.rs`.

mod apps;
mod commitments;
mod compare;
mod frames;
mod images;
mod machines;
mod organisations;
mod pictures;
mod proc;
mod staging;
mod texts;

use crate::{Memory, Target};

/// Values of a few dozen bytes that are encoded in two or three, several of them at a time. The constant is what serde
/// reserves for a list before it has seen an element: at most 1 MiB, once for each list around it.
const VALUES: Memory = Memory { per_byte: 512, constant: 6 << 20 };

/// Texts, and messages about them.
const TEXTS: Memory = Memory { per_byte: 256, constant: 1 << 20 };

/// A range in a command says how much there is to do: cut into 65,536 gridlets at most, of a few hundred bytes.
const PLANS: Memory = Memory { per_byte: 256, constant: 64 << 20 };

/// Zlib makes 1032 bytes of one; they are held as a file's samples, as a picture and as a tile.
const PICTURES: Memory = Memory { per_byte: 8 * 1032, constant: 4 << 20 };

/// An image's pages are read a block at a time, unpacked; a process of it is some 700 bytes that are encoded in ten.
const IMAGES: Memory = Memory { per_byte: 512, constant: 12 << 20 };

/// A machine keeps what it hears, within its bounds.
const MACHINES: Memory = Memory { per_byte: 4096, constant: 16 << 20 };

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, words: &[], max_bytes: 4 << 10, memory: VALUES, inputs: 6000 }
}

const fn text(
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
    words: &'static [&'static str],
) -> Target {
    Target { words, memory: TEXTS, inputs: 3000, ..target(name, run, seeds) }
}

const fn app(
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
    words: &'static [&'static str],
) -> Target {
    Target { memory: PLANS, inputs: 1500, ..text(name, run, seeds, words) }
}

const fn machine(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { memory: MACHINES, max_bytes: 16 << 10, inputs: 1000, ..target(name, run, seeds) }
}

const fn picture(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { memory: PICTURES, inputs: 2500, ..target(name, run, seeds) }
}

const fn image(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { memory: IMAGES, max_bytes: 32 << 10, inputs: 1500, ..target(name, run, seeds) }
}

/// Every target.
pub static TARGETS: &[Target] = &[
    target("job_message", frames::job_message, frames::messages),
    target("job_record", frames::job_record, frames::records),
    target("cell_output", frames::cell_output, frames::outputs),
    target("stream", frames::stream, frames::streams),
    target("greeting", frames::greeting, frames::greetings),
    target("tree", staging::tree, staging::trees),
    target("chunk_list", staging::chunk_list, staging::chunk_lists),
    target("bitmap", staging::bitmap, staging::bitmaps),
    target("commitment", commitments::commitment, commitments::commitments),
    target("transfer_request", staging::request, staging::requests),
    target("transfer_answer", staging::answer, staging::answers),
    text("config", texts::config, texts::configs, texts::CONFIG_WORDS),
    text("command_line", texts::command_line, texts::command_lines, texts::COMMAND_WORDS),
    text("job_file", texts::job_file, texts::job_files, texts::JOB_WORDS),
    text("duration", texts::duration, texts::durations, &["h", "m", "s", "ms", "d", "."]),
    text("size", texts::size, texts::sizes, &["B", "K", "KiB", "MB", "GiB", "T", "E", "."]),
    text("api_json", texts::api_json, texts::api_jsons, texts::JSON_WORDS),
    app("povray_command", apps::povray, apps::povray_commands, apps::POVRAY_WORDS),
    app("sweep_command", apps::sweep, apps::sweep_commands, apps::SWEEP_WORDS),
    app("plain_command", apps::plain, apps::plain_commands, apps::SWEEP_WORDS),
    Target {
        max_bytes: 16 << 10,
        ..app("manifest", apps::manifest, apps::manifests, apps::MANIFEST_WORDS)
    },
    Target { max_bytes: 8 << 10, ..app("film", apps::film, apps::films, apps::FILM_WORDS) },
    picture("picture", pictures::picture, pictures::files),
    picture("tile", pictures::tile, pictures::tiles),
    text("comparator", compare::comparator, compare::comparators, compare::WORDS),
    picture("compared", compare::compared, compare::pairs),
    target("vo_ticket", organisations::ticket, organisations::tickets),
    target("vo_saved", organisations::saved, organisations::saves),
    machine("keyring", organisations::keyring, organisations::greetings),
    machine("membership", machines::membership, machines::talks),
    machine("swarm", machines::fetching, machines::fetches),
    machine("peer", machines::peer, machines::works),
    image("image_file", images::file, images::files),
    image("image_sections", images::sections, images::taken_apart),
    image("image_snapshot", images::snapshot, images::snapshots),
    image("image_changed", images::change, images::changes),
    image("image_vdso", images::vdso, images::vdsos),
    text("proc_smaps", proc::areas, proc::area_texts, proc::AREA_WORDS),
    text("proc_stat", proc::stat, proc::stats, proc::STAT_WORDS),
    text("proc_status", proc::status, proc::statuses, proc::STATUS_WORDS),
    text("proc_fdinfo", proc::descriptor, proc::descriptors, proc::DESCRIPTOR_WORDS),
    text("proc_timers", proc::timers, proc::timer_texts, proc::TIMER_WORDS),
];

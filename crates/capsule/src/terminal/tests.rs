use super::*;

/// A pair, of this process.
fn pair() -> Option<(OwnedFd, OwnedFd)> {
    let master: OwnedFd =
        std::fs::File::options().read(true).write(true).open("/dev/ptmx").ok()?.into();
    terminal::set_locked(&master, false).ok()?;
    let slave = own_slave(&master, false).ok()?;
    Some((master, slave))
}

fn holder(master: &OwnedFd) -> (i32, i32) {
    use std::os::fd::AsRawFd;
    (std::process::id().cast_signed(), master.as_raw_fd())
}

fn read(from: &OwnedFd) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let count = nix::unistd::read(from, &mut buffer).unwrap();
    buffer[..count].to_vec()
}

/// A terminal in line mode, without echo, with two lines, ends of file, and a line that isn't finished; and output.
fn busy() -> Option<(OwnedFd, OwnedFd, Settings)> {
    let (master, slave) = pair()?;
    let mut settings = terminal::settings(&slave).unwrap();
    settings.flags[LOCAL] &= !libc::ECHO;
    terminal::set_settings(&slave, &settings).unwrap();
    write_all(&slave, b"shown\n").unwrap();
    write_all(&master, b"one\n\x04two\x04three\nunfin\x16\x03").unwrap();
    let deadline = Instant::now() + SOON;
    while terminal::waiting(&slave).unwrap() < 13 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    Some((master, slave, settings))
}

fn judge(master: &OwnedFd, slave: &OwnedFd, settings: &Settings) {
    assert_eq!(terminal::settings(slave).unwrap(), *settings);
    assert_eq!(read(master), b"shown\r\n");
    let lines: Vec<Vec<u8>> = (0..4).map(|_| read(slave)).collect();
    assert_eq!(lines, [&b"one\n"[..], b"", b"two", b"three\n"]);
    assert!(!ready(slave).unwrap(), "the last line isn't finished");
    write_all(master, b"\x7fX\n").unwrap();
    let deadline = Instant::now() + SOON;
    while !ready(slave).unwrap() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(read(slave), b"unfinX\n", "a character that was typed can be rubbed out");
}

#[test]
fn what_waits_is_copied_and_stays() {
    let Some((master, slave, settings)) = busy() else {
        eprintln!("SKIPPED: no pseudo-terminals here");
        return;
    };
    let words = SharedWords::new(NOTE).unwrap();
    let note = Note::at(&words, 0);
    for _ in 0..3 {
        let copied = copy(note, holder(&master), &master, &settings).unwrap().unwrap();
        assert_eq!(copied.output, b"shown\r\n");
        assert_eq!(copied.input, b"one\ntwothree\nunfin\x03");
        assert_eq!(copied.ends, [4, 7]);
        assert_eq!(note.get(STAGE), 0);
    }
    judge(&master, &slave, &settings);
}

#[test]
fn whatever_was_under_way_nothing_is_lost() {
    // What was done before the end came, each further than the one before.
    for steps in 0..9 {
        let Some((master, slave, settings)) = busy() else {
            eprintln!("SKIPPED: no pseudo-terminals here");
            return;
        };
        let words = SharedWords::new(NOTE).unwrap();
        let note = Note::at(&words, 0);
        note.begin(holder(&master), &settings, 0);
        let read = |from: &OwnedFd, which, lines, told: bool| {
            let waiting = terminal::waiting(from).unwrap();
            note.read(from, which, waiting, lines).unwrap();
            if !told {
                // As if it had ended between the read and the note of it.
                note.set(LENGTHS[which], note.get(BEFORE));
                note.set(ENDS, note.get(ENDS_BEFORE));
                note.set(BEGUN, 1 + which as u64);
            }
        };
        if steps > 0 {
            read(&master, OUTPUT, false, steps > 1);
        }
        if steps > 1 {
            read(&slave, INPUT, true, steps > 2);
        }
        if steps > 2 {
            // Of an end of file alone nothing tells whether it was read: that one is always told.
            read(&slave, INPUT, true, true);
        }
        if steps > 3 {
            read(&slave, INPUT, true, steps > 4);
        }
        if steps > 4 {
            read(&slave, INPUT, true, true);
            terminal::set_settings(&slave, &raw(&settings)).unwrap();
        }
        if steps > 5 {
            read(&slave, INPUT, false, steps > 6);
        }
        if steps > 6 {
            take(note, &master, &slave).unwrap();
            note.set(STAGE, PUTTING);
        }
        if steps > 7 {
            write_all(&slave, b"half of it").unwrap();
            write_all(&master, b"half\nof it").unwrap();
        }
        mend(note);
        judge(&master, &slave, &settings);
    }
}

#[test]
fn more_output_than_a_queue_holds_is_put_back() {
    let Some((master, slave)) = pair() else {
        eprintln!("SKIPPED: no pseudo-terminals here");
        return;
    };
    let mut settings = terminal::settings(&slave).unwrap();
    settings.flags = [0, 0, settings.flags[2], 0];
    terminal::set_settings(&slave, &settings).unwrap();
    let bytes: Vec<u8> = (0..6000_u32).map(|n| (n % 251) as u8).collect();
    write_all(&slave, &bytes).unwrap();
    write_all(&master, b"raw\0\x03\x04").unwrap();
    let words = SharedWords::new(NOTE).unwrap();
    let copied = copy(Note::at(&words, 0), holder(&master), &master, &settings).unwrap().unwrap();
    assert_eq!(copied.input, b"raw\0\x03\x04");
    assert_eq!(copied.output, bytes);
    let mut found = Vec::new();
    while ready(&master).unwrap() {
        found.extend(read(&master));
    }
    assert_eq!(found, bytes);
    assert_eq!(read(&slave), b"raw\0\x03\x04");
}

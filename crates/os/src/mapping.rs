//! A part of a file as memory, that several threads fill: each its own part.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared mapping of a file, given out in extents of one size, each once.
#[derive(Debug)]
pub struct Extents {
    at: NonNull<u8>,
    len: usize,
    extent: usize,
    next: AtomicUsize,
}

// SAFETY: the memory is only reached through extents, which are given out once each.
unsafe impl Send for Extents {}
// SAFETY: as above.
unsafe impl Sync for Extents {}

/// One extent: memory of the file's, and which it is.
#[derive(Debug)]
pub struct Extent<'a> {
    /// Its number, from 0.
    pub nth: usize,
    /// Its memory.
    pub bytes: &'a mut [u8],
}

impl Extents {
    /// Maps `count` extents of `extent` bytes of a file, from `offset` on, which is made long enough; and has their pages made now, by `threads`
    /// threads: later nothing about them can fail.
    ///
    /// # Errors
    /// There is no room in memory or on the disk, or the kernel can't promise it (before Linux 5.14).
    pub fn new(
        file: &File,
        offset: u64,
        extent: usize,
        count: usize,
        threads: usize,
    ) -> io::Result<Self> {
        let len = extent * count;
        file.set_len(offset + len as u64)?;
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).expect("a mapping isn't at zero");
        let extents = Self { at, len, extent, next: AtomicUsize::new(0) };
        extents.populate(threads.max(1))?;
        Ok(extents)
    }

    fn populate(&self, threads: usize) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        // Each thread takes a few extents at a time.
        let step = self.extent * 4;
        let work = || -> io::Result<()> {
            loop {
                let start = next.fetch_add(step, Ordering::Relaxed);
                if start >= self.len {
                    return Ok(());
                }
                let len = step.min(self.len - start);
                // SAFETY: a part of our own mapping; its content stays.
                let answer = unsafe {
                    libc::madvise(
                        self.at.as_ptr().add(start).cast(),
                        len,
                        libc::MADV_POPULATE_WRITE,
                    )
                };
                if answer < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut all = work();
            for other in others {
                all = all.and(
                    other.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))),
                );
            }
            all
        })
    }

    /// An extent that nobody had yet.
    pub fn take(&self) -> Option<Extent<'_>> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        if nth >= self.len / self.extent {
            return None;
        }
        // SAFETY: inside the mapping, which lives as long as `self`; this number is given out here only, so nobody else has a
        // reference to these bytes. Others may write the file itself; only the owner of a temporary file has it.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(self.at.as_ptr().add(nth * self.extent), self.extent)
        };
        Some(Extent { nth, bytes })
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.len as u64
    }
}

impl Drop for Extents {
    fn drop(&mut self) {
        // SAFETY: extents borrow from `self`: there are none any more.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

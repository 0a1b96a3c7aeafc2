use super::diag::told;
use super::*;

#[test]
fn looking_takes_nothing_and_finds_descriptors_where_they_are() {
    let (one, two) = pair(libc::SOCK_STREAM).expect("a pair");
    assert!(peek(&two, 100).expect("it can be asked").is_none());
    send(&one, b"before", None, &[], None).expect("there is room");
    send(&one, b"with", None, &[one.as_fd(), two.as_fd()], None).expect("there is room");
    send(&one, b"after", None, &[], None).expect("there is room");
    assert_eq!(unread(&two).expect("it can be asked"), 15);
    let first = peek(&two, 100).expect("it can be asked").expect("something");
    assert_eq!((first.bytes.as_slice(), first.passed.len()), (b"beforewith".as_slice(), 2));
    assert_eq!(before_last(&two, 10).expect("it can be asked"), 6);
    assert_eq!(before_last(&two, 6).expect("it can be asked"), 0);
    assert_eq!(unread(&two).expect("it can be asked"), 15);
}

#[test]
fn the_kernel_tells_of_peers_and_of_who_waits() {
    use std::os::unix::fs::MetadataExt;
    let inode = |fd: &OwnedFd| {
        let file = std::fs::File::from(fd.try_clone().expect("a copy"));
        u32::try_from(file.metadata().expect("it is there").ino()).expect("32 bits")
    };
    let (one, two) = pair(libc::SOCK_SEQPACKET).expect("a pair");
    let (listener, client) =
        (socket(libc::SOCK_STREAM).expect("one"), socket(libc::SOCK_STREAM).expect("one"));
    bind(&listener, b"").expect("a name that nobody has");
    listen(&listener, 7).expect("it has a name");
    let own = name(&listener).expect("it has a name");
    assert!(own.len() == 6 && own[0] == 0, "{own:?}");
    connect(&client, &own).expect("it listens");
    shutdown(&one, libc::SHUT_WR).expect("connected");
    let all = all().expect("the kernel knows unix_diag");
    let told = |fd: &OwnedFd| all.iter().find(|told| told.inode == inode(fd)).expect("it is there");
    assert_eq!(told(&one).peer, Some(inode(&two)));
    assert_eq!((told(&one).shut, told(&two).shut), (2, 1));
    assert_eq!((told(&listener).listens, told(&listener).backlog), (true, 7));
    assert_eq!(told(&listener).waiting, [inode(&client)]);
    assert_eq!(told(&client).peer, Some(0));
    assert_eq!(peer_name(&client).expect("connected"), own);
    let server = accept(&listener).expect("one waits");
    assert_eq!(name(&server).expect("as who listened"), own);
    drop(listener);
    connect(socket(libc::SOCK_STREAM).expect("one"), &own).expect_err("nobody listens");
}

#[test]
fn answers_of_sock_diag_that_are_cut_are_noticed() {
    assert_eq!(told(&[1, 1]), None);
    let mut body = vec![0; 16];
    body[2] = 10;
    assert!(told(&body).expect("a head").listens);
    // An attribute that says it is longer than what is there.
    body.extend([8, 0, 2, 0, 1]);
    assert_eq!(told(&body), None);
    // One that says it is shorter than its head.
    body.truncate(16);
    body.extend([1, 0, 2, 0]);
    assert_eq!(told(&body), None);
}

#[test]
fn a_path_answers_as_long_as_a_socket_of_any_type_has_it() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let path = folder.path().join(kind.to_string());
        let path = path.as_os_str().as_bytes();
        assert!(!answers(path).expect("it can be asked"), "there is no file");
        let named = socket(kind).expect("one");
        bind(&named, path).expect("nothing is there");
        assert!(answers(path).expect("it can be asked"));
        let file = bound_file(&named);
        assert!(file.is_err() || file.is_ok_and(|file| file.is_some()), "it has one");
        drop(named);
        assert!(!answers(path).expect("it can be asked"), "nobody has it");
    }
}

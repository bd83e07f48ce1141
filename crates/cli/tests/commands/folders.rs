//! Folders with secrets: their owner, their write permissions, and other kinds of files in a file's
//! place.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::{Answer, Program, is_private};

use crate::{lab, transom};

/// The user id of another user, where these tests run as root.
const NOBODY: u32 = 65534;
/// The files that the server stores in its data folder.
const SERVERS_FILES: [&str; 12] = [
    "admin.json",
    "master.key",
    "node",
    "lock",
    "transom.db",
    "transom.db-wal",
    "transom.db-shm",
    "ca.pem",
    "ca.key",
    "ca.json",
    "self-signed.pem",
    "self-signed.key",
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// Creates a folder of this name beside the program's own.
fn folder(program: &Program, name: &str) -> PathBuf {
    let path = program.data().with_file_name(name);
    fs::create_dir(&path).expect("a folder");
    set_mode(&path, 0o700);
    path
}

/// Returns a folder that belongs to another user.
fn somebody_elses(program: &Program) -> PathBuf {
    let path = folder(program, "theirs");
    let admin = r#"{"server":"http://127.0.0.1:9","token":"chosen-by-somebody-else"}"#;
    fs::write(path.join("admin.json"), admin).expect("a file");
    match chown(&path, Some(NOBODY), Some(NOBODY)) {
        Ok(()) => path,
        // Other users than root cannot give a folder away, but can try root's own folders.
        Err(_) => "/etc".into(),
    }
}

/// Starts the server on a folder that it must not use, and returns its error.
fn refused(program: &Program, data: &Path) -> String {
    let words = format!("serve --self-signed --listen 127.0.0.1:0 --data {}", data.display());
    said(&words, program.run(&words))
}

#[track_caller]
fn said(words: &str, answer: Answer) -> String {
    said_with(1, words, answer)
}

#[track_caller]
fn said_with(code: i32, words: &str, answer: Answer) -> String {
    assert_eq!((answer.code, answer.stdout.as_str()), (code, ""), "transom {words}: {}", answer.stderr);
    answer.stderr
}

#[test]
fn a_folder_that_is_not_ours_or_that_others_can_write_to_is_refused() {
    let program = transom();
    let theirs = somebody_elses(&program);
    let sentence = refused(&program, &theirs);
    assert!(sentence.starts_with(&format!("transom: {} belongs to user ", theirs.display())), "{sentence}");
    assert!(sentence.contains("Choose another folder (--data DIR)"), "{sentence}");
    let open = folder(&program, "open");
    for mode in [0o777, 0o775, 0o1777] {
        set_mode(&open, mode);
        let sentence = refused(&program, &open);
        let told = format!("transom: {} is writable by other users (mode {mode:04o})", open.display());
        assert!(sentence.starts_with(&told), "{sentence}");
        assert!(sentence.trim_end().ends_with(&format!("chmod go-w {}", open.display())), "{sentence}");
        assert_eq!(fs::read_dir(&open).expect("a folder").count(), 0, "a file was created there");
    }
}

#[test]
fn a_link_in_the_place_of_any_file_is_refused_and_what_it_leads_to_stays() {
    let program = transom();
    let elsewhere = program.file("elsewhere", "somebody's");
    let data = folder(&program, "linked");
    for name in SERVERS_FILES {
        let path = data.join(name);
        symlink(&elsewhere, &path).expect("a link");
        let sentence = refused(&program, &data);
        assert!(sentence.contains(&format!("{} is a symbolic link", path.display())), "{name}: {sentence}");
        assert!(sentence.contains("Remove the link"), "{name}: {sentence}");
        // The files that the server created before it found the link are their owner's only. It did
        // not create the others.
        fs::remove_file(path).expect("a link");
        fs::remove_dir_all(&data).expect("a folder");
        fs::create_dir(&data).expect("a folder");
        set_mode(&data, 0o700);
    }
    assert_eq!(fs::read_to_string(elsewhere).expect("it is there"), "somebody's");
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    let program = transom();
    let data = folder(&program, "planted");
    for name in ["admin.json", "master.key"] {
        fs::write(data.join(name), "{}").expect("a file");
        set_mode(&data.join(name), 0o666);
        let sentence = refused(&program, &data);
        let told = format!("{} is writable by other users (mode 0666)", data.join(name).display());
        assert!(sentence.contains(&told), "{sentence}");
        fs::remove_file(data.join(name)).expect("a file");
    }
}

#[test]
fn a_new_folder_is_for_its_owner_alone_under_any_umask_and_a_readable_one_is_fine() {
    let program = transom();
    let serve = |umask: &str, data: &Path| {
        let line = format!(
            "umask {umask}; exec {} serve --self-signed --listen 127.0.0.1:0 --data {}",
            env!("CARGO_BIN_EXE_transom"),
            data.display()
        );
        let server = Process::start("transom serve", Command::new("sh").args(["-c", &line]));
        server.stderr().expect("admin.json\n", PATIENCE);
    };
    let readable = folder(&program, "readable");
    set_mode(&readable, 0o755);
    let fresh = |name: &str| program.data().with_file_name(name).join("below");
    for (umask, data) in [
        ("000", fresh("first")),
        ("077", fresh("second")),
        ("277", fresh("third")),
        ("000", readable.clone()),
    ] {
        serve(umask, &data);
        if data != readable {
            assert_eq!(fs::metadata(&data).expect("a folder").permissions().mode() & 0o777, 0o700, "{umask}");
        }
        for file in fs::read_dir(&data).expect("a folder") {
            let path = file.expect("a file").path();
            let public = path.extension().is_some_and(|extension| extension == "pem");
            assert!(public || is_private(&path), "umask {umask}: {}", path.display());
        }
        // Serves a second time, on existing files.
        serve(umask, &data);
    }
}

#[test]
fn an_operators_command_believes_no_admin_json_that_others_could_have_written() {
    let program = lab();
    let admin = program.data().join("admin.json");
    set_mode(&admin, 0o602);
    let sentence = said("project list", program.run("project list"));
    assert!(sentence.contains("admin.json is writable by other users (mode 0602)"), "{sentence}");
    set_mode(&admin, 0o600);
    program.ask("project list");
}

#[test]
fn a_devices_folder_and_the_one_around_it_are_refused_alike() {
    let program = transom();
    let address = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";
    let password = program.file("password", "secret");
    let joining = |command: &str, data: &Path| {
        let words = format!("{command} --server http://127.0.0.1:9 --data {}", data.display());
        // The operator who repairs the folder need not start the device's service.
        said_with(2, &words, program.run(&words))
    };
    let (agent, connect, enrolling) = (
        format!("agent --address {address} --password-file {password} --to 127.0.0.1:5900"),
        format!("connect {address} --address {address} --password-file {password}"),
        format!("agent --enroll {} --to 127.0.0.1:5900", &"AQEB".repeat(11)[..43]),
    );
    let theirs = somebody_elses(&program);
    for command in [&agent, &connect, &enrolling] {
        let sentence = joining(command, &theirs);
        assert!(sentence.contains(" belongs to user "), "{sentence}");
    }
    let data = folder(&program, "device-data");
    set_mode(&data, 0o777);
    assert!(joining(&agent, &data).contains("device-data is writable by other users"));
    set_mode(&data, 0o700);
    let own = data.join("device");
    fs::create_dir(&own).expect("a folder");
    set_mode(&own, 0o777);
    assert!(joining(&agent, &data).contains("device is writable by other users"));
    set_mode(&own, 0o700);
    let elsewhere = program.file("elsewhere", "somebody's");
    for (command, names) in [
        (&agent, &["endpoint.key", "known-keys"][..]),
        (&connect, &["endpoint.key", "known-keys"]),
        (&enrolling, &["cloud-password", "cloud-address", "cloud-enrolment", "cloud-address.next"]),
    ] {
        for name in names {
            symlink(&elsewhere, own.join(name)).expect("a link");
            let sentence = joining(command, &data);
            assert!(sentence.contains(&format!("{name} is a symbolic link")), "{sentence}");
            fs::remove_file(own.join(name)).expect("a link");
        }
    }
    assert_eq!(fs::read_to_string(elsewhere).expect("it is there"), "somebody's");
}

#[test]
fn a_socket_of_viewers_follows_no_link_and_is_for_this_user_from_its_first_moment() {
    let program = transom();
    let address = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";
    let password = program.file("password", "secret");
    let socket = program.data().with_file_name("viewer.sock");
    symlink(program.data().with_file_name("made-elsewhere"), socket.with_file_name("viewer.sock.lock"))
        .expect("a link");
    let words = format!(
        "connect {address} --address {address} --password-file {password} --server http://127.0.0.1:9 --bind unix:{}",
        socket.display()
    );
    let sentence = said(&words, program.run(&words));
    assert!(sentence.contains("viewer.sock.lock is a symbolic link"), "{sentence}");
    assert!(!program.data().with_file_name("made-elsewhere").exists());
}

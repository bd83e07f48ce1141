use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A temporary folder, and one of a program's own in it.
fn made() -> (tempfile::TempDir, Folder) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(&temp.path().join("own")).expect("it is made");
    (temp, folder)
}

#[test]
fn what_is_made_is_for_its_owner_alone() {
    let (_temp, folder) = made();
    assert_eq!(mode(folder.path()), 0o700);
    folder.replace("secret", b"one", PRIVATE).expect("written");
    folder.replace("secret", b"two", PRIVATE).expect("written over");
    assert!(!folder.keep("secret", b"three", PRIVATE).expect("kept"), "there is one");
    assert!(folder.keep("public", b"four", PUBLIC).expect("kept"));
    drop((folder.append("list").expect("made"), folder.lock_file("lock").expect("made")));
    assert_eq!(folder.read("secret", 8).expect("read").as_deref(), Some(&b"two"[..]));
    assert_eq!(folder.read("none", 8).expect("looked for"), None);
    for (name, expected) in [("secret", 0o600), ("list", 0o600), ("lock", 0o600), ("public", 0o644)] {
        assert_eq!(mode(&folder.at(name)), expected, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 4, "nothing is left over");
}

#[test]
fn a_folder_that_others_can_write_to_is_refused_and_one_that_they_can_read_is_not() {
    let (_temp, folder) = made();
    for open in [0o777, 0o770, 0o702, 0o1777] {
        set_mode(folder.path(), open);
        let refused = Folder::open(folder.path()).expect_err("others can write");
        assert!(refused.to_string().contains("chmod go-w "), "{refused}");
    }
    for fine in [0o755, 0o750, 0o700] {
        set_mode(folder.path(), fine);
        Folder::open(folder.path()).expect("others cannot write");
    }
}

#[test]
fn a_link_to_the_folder_is_followed_and_a_file_in_its_place_is_not_one() {
    let (temp, folder) = made();
    let link = temp.path().join("link");
    symlink(folder.path(), &link).expect("a link");
    assert_eq!(Folder::open(&link).expect("an administrator's link").path(), folder.path());
    let file = temp.path().join("file");
    fs::write(&file, "").expect("a file");
    assert!(matches!(Folder::open(&file), Err(FolderError::NotAFolder { .. })));
}

#[test]
fn what_is_no_file_of_ours_is_neither_read_nor_written() {
    let (temp, folder) = made();
    let elsewhere = temp.path().join("elsewhere");
    fs::write(&elsewhere, "somebody's").expect("a file");
    symlink(&elsewhere, folder.at("link")).expect("a link");
    symlink(temp.path().join("missing"), folder.at("dangling")).expect("a link");
    for name in ["link", "dangling"] {
        assert!(matches!(folder.has(name), Err(FolderError::Link { .. })), "{name}");
        assert!(matches!(folder.read(name, 8), Err(FolderError::Link { .. })), "{name}");
        assert!(matches!(folder.append(name), Err(FolderError::Link { .. })), "{name}");
        assert!(matches!(folder.lock_file(name), Err(FolderError::Link { .. })), "{name}");
        // A whole new file takes the link's place, and what it led to stays.
        folder.replace(name, b"ours", PRIVATE).expect("replaced");
        assert_eq!(folder.read(name, 8).expect("read").as_deref(), Some(&b"ours"[..]));
    }
    assert_eq!(fs::read_to_string(&elsewhere).expect("read"), "somebody's");
    assert!(!temp.path().join("missing").exists());
    fs::create_dir(folder.at("folder")).expect("a folder");
    assert!(matches!(folder.read("folder", 8), Err(FolderError::NotAFile { .. })));
    folder.replace("open", b"x", PRIVATE).expect("written");
    set_mode(&folder.at("open"), 0o666);
    assert!(matches!(folder.read("open", 8), Err(FolderError::Writable { .. })));
    assert!(matches!(folder.append("open"), Err(FolderError::Writable { .. })));
}

#[test]
fn what_others_could_read_of_a_file_that_is_written_to_is_taken_from_them() {
    let (_temp, folder) = made();
    drop(folder.append("list").expect("made"));
    set_mode(&folder.at("list"), 0o644);
    drop(folder.append("list").expect("it is ours"));
    assert_eq!(mode(&folder.at("list")), 0o600);
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let (_temp, folder) = made();
    folder.replace("long", &[0; 9], PRIVATE).expect("written");
    assert!(folder.read("long", 8).is_err());
    assert_eq!(folder.read("long", 9).expect("read").map(|bytes| bytes.len()), Some(9));
}

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file exists").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it belongs to this user");
}

/// A temporary folder and a private folder in it.
fn made() -> (tempfile::TempDir, Folder) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(&temp.path().join("own")).expect("the folder is created");
    (temp, folder)
}

#[test]
fn only_the_owner_can_access_new_files_and_folders() {
    let (_temp, folder) = made();
    assert_eq!(mode(folder.path()), 0o700);
    folder.replace("secret", b"one", PRIVATE).expect("written");
    folder.replace("secret", b"two", PRIVATE).expect("written over");
    assert!(!folder.create("secret", b"three", PRIVATE).expect("checked"), "the file exists");
    assert!(folder.create("public", b"four", PUBLIC).expect("created"));
    drop((folder.append("list").expect("created"), folder.lock_file("lock").expect("created")));
    assert_eq!(folder.read("secret", 8).expect("read").as_deref(), Some(&b"two"[..]));
    assert_eq!(folder.read("none", 8).expect("looked for"), None);
    for (name, expected) in [("secret", 0o600), ("list", 0o600), ("lock", 0o600), ("public", 0o644)] {
        assert_eq!(mode(&folder.at(name)), expected, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 4, "no temporary file remains");
}

#[test]
fn a_folder_is_refused_if_others_can_write_to_it_but_not_if_they_can_only_read_it() {
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
fn a_link_to_the_folder_is_followed_but_a_file_in_its_place_is_refused() {
    let (temp, folder) = made();
    let link = temp.path().join("link");
    symlink(folder.path(), &link).expect("a link");
    assert_eq!(Folder::open(&link).expect("an administrator's link").path(), folder.path());
    let file = temp.path().join("file");
    fs::write(&file, "").expect("a file");
    assert!(matches!(Folder::open(&file), Err(FolderError::NotAFolder { .. })));
}

#[test]
fn links_folders_and_files_that_others_can_write_are_neither_read_nor_written() {
    let (temp, folder) = made();
    let elsewhere = temp.path().join("elsewhere");
    fs::write(&elsewhere, "another user's").expect("a file");
    symlink(&elsewhere, folder.at("link")).expect("a link");
    symlink(temp.path().join("missing"), folder.at("dangling")).expect("a link");
    for name in ["link", "dangling"] {
        assert!(matches!(folder.has(name), Err(FolderError::Link { .. })), "{name}");
        assert!(matches!(folder.read(name, 8), Err(FolderError::Link { .. })), "{name}");
        assert!(matches!(folder.append(name), Err(FolderError::Link { .. })), "{name}");
        assert!(matches!(folder.lock_file(name), Err(FolderError::Link { .. })), "{name}");
        // A rewritten file replaces the link; the link's target is unchanged.
        folder.replace(name, b"ours", PRIVATE).expect("replaced");
        assert_eq!(folder.read(name, 8).expect("read").as_deref(), Some(&b"ours"[..]));
    }
    assert_eq!(fs::read_to_string(&elsewhere).expect("read"), "another user's");
    assert!(!temp.path().join("missing").exists());
    fs::create_dir(folder.at("folder")).expect("a folder");
    assert!(matches!(folder.read("folder", 8), Err(FolderError::NotAFile { .. })));
    folder.replace("open", b"x", PRIVATE).expect("written");
    set_mode(&folder.at("open"), 0o666);
    assert!(matches!(folder.read("open", 8), Err(FolderError::Writable { .. })));
    assert!(matches!(folder.append("open"), Err(FolderError::Writable { .. })));
}

#[test]
fn opening_a_file_to_write_removes_other_users_access() {
    let (_temp, folder) = made();
    drop(folder.append("list").expect("created"));
    set_mode(&folder.at("list"), 0o644);
    drop(folder.append("list").expect("it belongs to this user"));
    assert_eq!(mode(&folder.at("list")), 0o600);
}

#[test]
fn a_file_longer_than_the_limit_is_refused() {
    let (_temp, folder) = made();
    folder.replace("long", &[0; 9], PRIVATE).expect("written");
    assert!(folder.read("long", 8).is_err());
    assert_eq!(folder.read("long", 9).expect("read").map(|bytes| bytes.len()), Some(9));
}

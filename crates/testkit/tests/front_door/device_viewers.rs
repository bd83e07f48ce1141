//! A common viewer at a device: the exact bytes that the machine sends and receives.

use tokio::task::spawn_blocking;
use transom_testkit::Guest;
use transom_testkit::vncdotool::Vncdotool;

use crate::devices::{Field, Running};

/// The screen of a fake machine.
const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
/// Enter's keysym.
const ENTER: u32 = 0xff0d;

/// A pixel that differs in every line: blue, green, red, and an unused byte (RFC 6143 §7.4).
fn pixel(x: u16, y: u16) -> [u8; 4] {
    let [high, low] = y.to_be_bytes();
    [high, low, (x % 256) as u8, 0]
}

/// A FramebufferUpdate with the whole screen in Raw encoding (RFC 6143 §7.6.1, §7.7.1).
fn update() -> Vec<u8> {
    let mut update = [0, 0, 0, 1, 0, 0, 0, 0].to_vec();
    update.extend([WIDTH.to_be_bytes(), HEIGHT.to_be_bytes(), [0; 2], [0; 2]].concat());
    update.extend((0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| pixel(x, y))));
    update
}

/// The screen in vncdotool's format.
fn kept() -> Vec<u8> {
    let lines = (0..HEIGHT).rev();
    lines.flat_map(|y| (0..WIDTH).flat_map(move |x| pixel(x, y).into_iter().take(3))).collect()
}

/// SetEncodings (RFC 6143 §7.5.2), which vncdotool sends first.
async fn begins(guest: &mut Guest) {
    let head = guest.take(4).await;
    assert_eq!(head[..2], [2, 0], "{head:?}");
    guest.take(4 * usize::from(u16::from_be_bytes([head[2], head[3]]))).await;
}

/// KeyEvents (RFC 6143 §7.5.4) that press and release a key.
fn press(keysym: u32) -> Vec<u8> {
    [1, 0].iter().flat_map(|down| [&[4, *down, 0, 0][..], &keysym.to_be_bytes()].concat()).collect()
}

#[tokio::test]
async fn vncdotool_sees_the_screen_of_a_device_and_types_on_it() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let _agent = field.joined(&device).await;
    let (_connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let vncdotool = Vncdotool::at(&format!("127.0.0.1:{port}"));

    let viewer = vncdotool.clone();
    let looking = spawn_blocking(move || viewer.sees());
    let mut guest = field.machine.guest().await;
    begins(&mut guest).await;
    assert_eq!(guest.take(6).await, [5, 0, 0, 0, 0, 0], "the pointer is put aside");
    let request = [&[3, 0, 0, 0, 0, 0][..], &WIDTH.to_be_bytes(), &HEIGHT.to_be_bytes()].concat();
    for _ in 0..2 {
        assert_eq!(guest.take(request.len()).await, request);
        guest.send(&update());
    }
    assert!(looking.await.unwrap() == kept(), "it kept another picture");
    assert_eq!(guest.ended().await, b"");
    drop(guest);

    let typing = spawn_blocking(move || vncdotool.types("plc 7"));
    let mut guest = field.machine.guest().await;
    begins(&mut guest).await;
    let typed: Vec<_> = b"plc 7".iter().map(|letter| u32::from(*letter)).chain([ENTER]).collect();
    let presses: Vec<_> = typed.into_iter().flat_map(press).collect();
    assert_eq!(guest.take(presses.len()).await, presses);
    typing.await.unwrap();
    guest.ended().await;
}

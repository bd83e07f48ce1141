//! The screen as viewers receive it: tiles, each stamped with the picture in which it last changed.

use transom_rfb::{Encoding, PixelFormat, server_message};

use crate::canvas::{Area, Canvas, WHOLE};

/// The width and height of a tile. It is small, so that small changes need small updates, but large
/// enough that a viewer's stamps fit in 8 KiB.
const TILE: usize = 16;
const COLUMNS: usize = WHOLE.width.div_ceil(TILE);
const ROWS: usize = WHOLE.height.div_ceil(TILE);

/// The number of a picture. The first is 1.
type Stamp = u32;

/// The current picture, and for each tile the picture in which it last changed.
#[derive(Debug)]
pub(crate) struct Screen {
    canvas: Canvas,
    stamps: Vec<Stamp>,
    last: Stamp,
}

/// For each tile, the picture in which a viewer last received it.
#[derive(Debug)]
pub(crate) struct SeenTiles {
    stamps: Vec<Stamp>,
}

impl SeenTiles {
    pub(crate) fn nothing() -> Self {
        Self { stamps: vec![0; COLUMNS * ROWS] }
    }

    /// Marks the tiles of an area as unseen, for a viewer that asks for all of it.
    pub(crate) fn forget(&mut self, area: &Area) {
        for (index, stamp) in self.stamps.iter_mut().enumerate() {
            if tile(index).overlaps(area) {
                *stamp = 0;
            }
        }
    }
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { canvas: Canvas::new(), stamps: vec![1; COLUMNS * ROWS], last: 1 }
    }

    /// Shows a new picture, and leaves the old one in `next`. Returns whether any tile differs.
    pub(crate) fn show(&mut self, next: &mut Canvas) -> bool {
        std::mem::swap(&mut self.canvas, next);
        self.last = self.last.saturating_add(1);
        let mut changed = false;
        for (index, stamp) in self.stamps.iter_mut().enumerate() {
            let area = tile(index);
            if (0..area.height).any(|row| self.canvas.row(&area, row) != next.row(&area, row)) {
                *stamp = self.last;
                changed = true;
            }
        }
        changed
    }

    /// Builds a FramebufferUpdate of the tiles in `area` that the viewer has not seen, and marks
    /// them as seen. Returns `None` if it has seen them all.
    ///
    /// Tiles are sent whole, so that one stamp per tile is enough.
    pub(crate) fn update(&self, area: &Area, seen: &mut SeenTiles, format: &PixelFormat) -> Option<Vec<u8>> {
        let mut rectangles: Vec<Area> = Vec::new();
        for (index, (have, stamp)) in seen.stamps.iter_mut().zip(&self.stamps).enumerate() {
            let tile = tile(index);
            if *have < *stamp && tile.overlaps(area) {
                *have = *stamp;
                match rectangles.last_mut() {
                    Some(last) if last.y == tile.y && last.x + last.width == tile.x => {
                        last.width += tile.width
                    }
                    _ => rectangles.push(tile),
                }
            }
        }
        let rectangles = stacked(rectangles);
        if rectangles.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        server_message::update_header(u16::try_from(rectangles.len()).ok()?, &mut out);
        for rectangle in &rectangles {
            self.raw(rectangle, format, &mut out);
        }
        Some(out)
    }

    fn raw(&self, area: &Area, format: &PixelFormat, out: &mut Vec<u8>) {
        let edges = [area.x, area.y, area.width, area.height].map(|edge| u16::try_from(edge).unwrap_or(0));
        server_message::rectangle_header(edges, Encoding::RAW, out);
        out.reserve(area.width * area.height * usize::from(format.bits_per_pixel / 8));
        // Most neighbouring pixels have the same colour.
        let (mut known, mut bytes) = (None, Vec::with_capacity(4));
        for row in 0..area.height {
            for &colour in self.canvas.row(area, row) {
                if known.replace(colour) != Some(colour) {
                    let [_, red, green, blue] = colour.to_be_bytes();
                    bytes.clear();
                    format.paint([red, green, blue], &mut bytes);
                }
                out.extend_from_slice(&bytes);
            }
        }
    }
}

fn tile(index: usize) -> Area {
    let (x, y) = (index % COLUMNS * TILE, index / COLUMNS * TILE);
    Area::new(x, y, TILE.min(WHOLE.width - x), TILE.min(WHOLE.height - y))
}

/// Joins vertically adjacent rectangles with the same left edge and width.
fn stacked(rectangles: Vec<Area>) -> Vec<Area> {
    let mut stacks: Vec<Area> = Vec::new();
    for part in rectangles {
        let below = |stack: &&mut Area| {
            stack.x == part.x && stack.width == part.width && stack.y + stack.height == part.y
        };
        match stacks.iter_mut().rev().find(below) {
            Some(stack) => stack.height += part.height,
            None => stacks.push(part),
        }
    }
    stacks
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn update(screen: &Screen, seen: &mut SeenTiles) -> Option<Vec<u8>> {
        screen.update(&WHOLE, seen, &PixelFormat::RGB888)
    }

    #[test]
    fn the_first_update_is_the_whole_screen_in_one_rectangle() {
        let (screen, mut seen) = (Screen::new(), SeenTiles::nothing());
        let first = update(&screen, &mut seen).unwrap();
        assert_eq!(first[..16], [0, 0, 0, 1, 0, 0, 0, 0, 3, 32, 2, 88, 0, 0, 0, 0]);
        assert_eq!(first.len(), 16 + 800 * 600 * 4);
        assert_eq!(update(&screen, &mut seen), None);
    }

    #[test]
    fn a_small_change_is_a_small_update() {
        let (mut screen, mut seen) = (Screen::new(), SeenTiles::nothing());
        update(&screen, &mut seen);
        let mut next = Canvas::new();
        next.fill(Area::new(15, 15, 2, 2), 0x01_0203);
        assert!(screen.show(&mut next));
        let second = update(&screen, &mut seen).unwrap();
        assert_eq!(second[..12], [0, 0, 0, 1, 0, 0, 0, 0, 0, 32, 0, 32], "four tiles are one rectangle");
        let mut same = screen.canvas.clone();
        assert!(!screen.show(&mut same));
    }

    #[test]
    fn a_tile_outside_of_the_request_is_sent_later() {
        let (screen, mut seen) = (Screen::new(), SeenTiles::nothing());
        let corner = Area::new(0, 0, 8, 8);
        let part = screen.update(&corner, &mut seen, &PixelFormat::RGB888).unwrap();
        assert_eq!(part.len(), 16 + 16 * 16 * 4);
        assert!(update(&screen, &mut seen).unwrap().len() > 800 * 500 * 4);
        seen.forget(&corner);
        assert_eq!(update(&screen, &mut seen).unwrap().len(), part.len());
    }
}

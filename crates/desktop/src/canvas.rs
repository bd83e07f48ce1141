//! Pixels, and the few shapes of the picture.

use crate::font::{GLYPH_HEIGHT, GLYPH_WIDTH, glyph};

/// The width of the desktop in pixels.
pub const WIDTH: u16 = 800;

/// The height of the desktop in pixels.
pub const HEIGHT: u16 = 600;

/// A colour as `0xRRGGBB`.
pub(crate) type Colour = u32;

/// A rectangle: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Area {
    pub(crate) const fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// The whole desktop.
pub(crate) const WHOLE: Area = Area::new(0, 0, WIDTH as usize, HEIGHT as usize);

/// A picture. Shapes are cut off at its edges.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(crate) fn new() -> Self {
        Self { pixels: vec![0; WHOLE.width * WHOLE.height] }
    }

    /// The pixels of one row of `area`, or an empty slice if the row lies outside of the canvas.
    pub(crate) fn row(&self, area: &Area, row: usize) -> &[Colour] {
        let start = (area.y + row) * WHOLE.width;
        self.pixels.get(start + area.x..start + area.x + area.width).unwrap_or_default()
    }

    pub(crate) fn fill(&mut self, area: Area, colour: Colour) {
        let (left, right) = (area.x.min(WHOLE.width), (area.x + area.width).min(WHOLE.width));
        for y in area.y..(area.y + area.height).min(WHOLE.height) {
            self.pixels[y * WHOLE.width..][left..right].fill(colour);
        }
    }

    /// Draws a filled rectangle with a thin edge, without its corner pixels.
    pub(crate) fn panel(&mut self, area: Area, inside: Colour, edge: Colour) {
        let Area { x, y, width, height } = area;
        self.fill(Area::new(x + 1, y, width - 2, height), edge);
        self.fill(Area::new(x, y + 1, width, height - 2), edge);
        self.fill(Area::new(x + 1, y + 1, width - 2, height - 2), inside);
    }

    /// Draws a line of text with its upper left corner at `x`, `y`. Each pixel of the font is
    /// `scale` wide and high.
    pub(crate) fn text(&mut self, x: usize, y: usize, scale: usize, colour: Colour, text: &str) {
        for (column, character) in text.chars().enumerate() {
            for (row, bits) in glyph(character).into_iter().enumerate() {
                for pixel in (0..GLYPH_WIDTH).filter(|pixel| bits & (0x10 >> pixel) != 0) {
                    let left = x + text_width(column, scale) + pixel * scale;
                    self.fill(Area::new(left, y + row * scale, scale, scale), colour);
                }
            }
        }
    }
}

/// The width of `characters` characters, including the gap after the last.
pub(crate) fn text_width(characters: usize, scale: usize) -> usize {
    characters * (GLYPH_WIDTH + 1) * scale
}

/// The height of a line of text, without descenders.
pub(crate) fn text_height(scale: usize) -> usize {
    GLYPH_HEIGHT * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_cut_off_at_the_edges() {
        let mut canvas = Canvas::new();
        canvas.fill(Area::new(799, 599, 50, 50), 0xff_ffff);
        canvas.fill(Area::new(900, 700, 5, 5), 0xff_ffff);
        canvas.text(798, 590, 3, 0xff_ffff, "##");
        assert_eq!(canvas.row(&WHOLE, 599)[798..], [0, 0xff_ffff]);
        assert!(canvas.row(&WHOLE, 600).is_empty());
    }

    #[test]
    fn text_is_drawn_pixel_by_pixel() {
        let mut canvas = Canvas::new();
        canvas.text(0, 0, 2, 1, "-");
        assert_eq!(canvas.row(&Area::new(0, 0, 12, 1), 6), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert_eq!(canvas.row(&Area::new(0, 0, 12, 1), 5), [0; 12]);
    }
}

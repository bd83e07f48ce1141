//! `PIXEL_FORMAT`: the layout of a colour in a pixel (RFC 6143 §7.4).
//!
//! `U8 bits-per-pixel · U8 depth · U8 big-endian · U8 true-colour · U16 red-max · U16 green-max ·
//! U16 blue-max · U8 red-shift · U8 green-shift · U8 blue-shift · 3 padding`

use crate::wire::{Reader, Truncated, Writer};

/// The length of a pixel format on the wire.
pub const PIXEL_FORMAT_LEN: usize = 16;

/// The layout of a colour in a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelFormat {
    /// The bits of one pixel: 8, 16 or 32.
    pub bits_per_pixel: u8,
    /// The bits of a pixel that are used.
    pub depth: u8,
    /// True if the most significant byte of a pixel comes first.
    pub big_endian: bool,
    /// True if a pixel holds its colour. Otherwise it is an index into a colour map.
    pub true_colour: bool,
    /// The largest values of red, green and blue.
    pub max: [u16; 3],
    /// The left shifts of red, green and blue.
    pub shift: [u8; 3],
}

impl PixelFormat {
    /// 32 bits, 8 per colour, blue in the lowest byte: the format of most screens.
    pub const RGB888: Self = Self {
        bits_per_pixel: 32,
        depth: 24,
        big_endian: false,
        true_colour: true,
        max: [255; 3],
        shift: [16, 8, 0],
    };

    /// Reads sixteen bytes. Any values are accepted; see [`PixelFormat::is_paintable`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let format = Self {
            bits_per_pixel: reader.u8()?,
            depth: reader.u8()?,
            big_endian: reader.u8()? != 0,
            true_colour: reader.u8()? != 0,
            max: [reader.u16()?, reader.u16()?, reader.u16()?],
            shift: reader.array()?,
        };
        reader.skip(3)?;
        Ok(format)
    }

    /// Writes sixteen bytes.
    pub fn write(&self, writer: &mut Writer) {
        writer.u8(self.bits_per_pixel).u8(self.depth);
        writer.u8(self.big_endian.into()).u8(self.true_colour.into());
        for max in self.max {
            writer.u16(max);
        }
        writer.bytes(&self.shift).pad(3);
    }

    /// Returns whether [`PixelFormat::paint`] supports this format: true colour in 8, 16 or 32
    /// bits, with every colour inside the pixel.
    pub fn is_paintable(&self) -> bool {
        let bits = u32::from(self.bits_per_pixel);
        let fits = |max: u16, shift: u8| max > 0 && u32::from(shift) + (16 - max.leading_zeros()) <= bits;
        matches!(bits, 8 | 16 | 32)
            && self.true_colour
            && self.max.iter().zip(self.shift).all(|(&max, shift)| fits(max, shift))
    }

    /// Appends one pixel of the 8-bit colour `[red, green, blue]`. The format must be paintable.
    pub fn paint(&self, colour: [u8; 3], out: &mut Vec<u8>) {
        let mut pixel = 0_u32;
        for ((value, max), shift) in colour.into_iter().zip(self.max).zip(self.shift) {
            pixel |= (u32::from(value) * u32::from(max) / 255).wrapping_shl(shift.into());
        }
        let bytes = usize::from(self.bits_per_pixel / 8).clamp(1, 4);
        if self.big_endian {
            out.extend(pixel.to_be_bytes().into_iter().skip(4 - bytes));
        } else {
            out.extend(pixel.to_le_bytes().into_iter().take(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_bytes_are_those_of_a_common_screen() {
        let mut writer = Writer::new();
        PixelFormat::RGB888.write(&mut writer);
        let bytes = writer.take();
        assert_eq!(bytes, [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
        assert_eq!(PixelFormat::read(&mut Reader::new(&bytes)), Ok(PixelFormat::RGB888));
    }

    #[test]
    fn a_colour_is_painted_in_any_true_colour_format() {
        let paint = |format: PixelFormat| {
            let mut out = Vec::new();
            format.paint([255, 128, 0], &mut out);
            out
        };
        assert_eq!(paint(PixelFormat::RGB888), [0, 128, 255, 0]);
        assert_eq!(paint(PixelFormat { big_endian: true, ..PixelFormat::RGB888 }), [0, 255, 128, 0]);
        let rgb565 = PixelFormat {
            bits_per_pixel: 16,
            depth: 16,
            max: [31, 63, 31],
            shift: [11, 5, 0],
            ..PixelFormat::RGB888
        };
        assert_eq!(paint(rgb565), 0xfbe0_u16.to_le_bytes());
        let bgr233 = PixelFormat {
            bits_per_pixel: 8,
            depth: 8,
            max: [7, 7, 3],
            shift: [0, 3, 6],
            ..PixelFormat::RGB888
        };
        assert_eq!(paint(bgr233), [0b00_011_111]);
    }

    #[test]
    fn formats_that_cannot_be_painted_are_recognised() {
        assert!(PixelFormat::RGB888.is_paintable());
        assert!(!PixelFormat { true_colour: false, ..PixelFormat::RGB888 }.is_paintable());
        assert!(!PixelFormat { bits_per_pixel: 24, ..PixelFormat::RGB888 }.is_paintable());
        assert!(!PixelFormat { shift: [30, 8, 0], ..PixelFormat::RGB888 }.is_paintable());
        assert!(!PixelFormat { max: [0, 255, 255], ..PixelFormat::RGB888 }.is_paintable());
    }
}

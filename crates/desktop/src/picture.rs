//! The picture: a test card that shows the viewers' input.

use crate::canvas::{Area, Canvas, Colour, WHOLE, text_height, text_width};
use crate::viewer_input::ViewerInput;

/// The inputs of the picture other than the viewers'.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Seconds since 1970, UTC.
    pub(crate) unix_seconds: u64,
    /// Steps of the animation since the desktop started.
    pub(crate) step: u64,
    /// The number of connected viewers.
    pub(crate) viewers: usize,
}

const NIGHT: Colour = 0x0d_131f;
const PANEL: Colour = 0x15_1e2f;
const EDGE: Colour = 0x2b_3954;
const INK: Colour = 0xe9_edf5;
const DIM: Colour = 0x8a_97b1;
const ACCENT: Colour = 0x4c_c2ff;
const ALERT: Colour = 0xff_8a4c;

const BARS: [Colour; 8] =
    [0xe9_edf5, 0xf4_c542, 0x3c_c8dc, 0x4c_c46a, 0xc2_5ad0, 0xe0_524f, 0x4a_6cf0, 0x2b_3954];
/// The height of three rows of tiles. The edges of the bars are sent in every step.
const BARS_HEIGHT: usize = 48;
/// The number of pixels that the bars move in one step. It is small, so that only their edges are
/// sent.
const BARS_STRIDE: usize = 8;
const RAMP_HEIGHT: usize = 8;

const MARGIN: usize = 24;
const INSET: usize = 16;
const SMALL: usize = 2;
const LARGE: usize = 4;
const LINE: usize = 22;

const KEYBOARD: Area = Area::new(MARGIN, 156, 752, 276);
const POINTER: Area = Area::new(MARGIN, 444, 500, 64);
const VIEWERS: Area = Area::new(536, 444, 240, 64);
const CLIPBOARD: Area = Area::new(MARGIN, 520, 752, 64);

/// Draws the whole picture.
pub(crate) fn draw(canvas: &mut Canvas, input: &ViewerInput, moment: Moment) {
    canvas.fill(WHOLE, NIGHT);
    bars(canvas, moment.step);
    title(canvas, moment.unix_seconds);
    keyboard(canvas, input.typed(), moment.step);
    panel(canvas, POINTER, "POINTER", "");
    let pointer = input.pointer().map(|at| format!("pointer {},{} buttons {}", at.x, at.y, at.buttons));
    content(canvas, POINTER, pointer.as_deref(), "move the pointer over this picture");
    panel(canvas, VIEWERS, "VIEWERS", "");
    content(canvas, VIEWERS, Some(&moment.viewers.to_string()), "");
    panel(canvas, CLIPBOARD, "CLIPBOARD", "F2 sends it back in capitals");
    let clipboard: String = input.clipboard().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    content(canvas, CLIPBOARD, Some(clipboard.as_str()).filter(|text| !text.is_empty()), "paste something");
    cross(canvas, input);
}

fn bars(canvas: &mut Canvas, step: u64) {
    let width = WHOLE.width / BARS.len();
    let steps = WHOLE.width / BARS_STRIDE;
    // The bars are back at their places after 100 steps.
    let moved = (step % steps as u64) as usize * BARS_STRIDE;
    for (index, colour) in BARS.into_iter().enumerate() {
        let x = (index * width + moved) % WHOLE.width;
        canvas.fill(Area::new(x, 0, width, BARS_HEIGHT), colour);
        // A bar that leaves the picture on the right reappears on the left.
        canvas.fill(Area::new(0, 0, (x + width).saturating_sub(WHOLE.width), BARS_HEIGHT), colour);
    }
    for x in 0..WHOLE.width {
        let grey = x as Colour * 255 / (WHOLE.width as Colour - 1);
        canvas.fill(Area::new(x, BARS_HEIGHT, 1, RAMP_HEIGHT), grey * 0x01_0101);
    }
}

fn title(canvas: &mut Canvas, unix_seconds: u64) {
    let y = BARS_HEIGHT + RAMP_HEIGHT + MARGIN;
    canvas.text(MARGIN, y, LARGE, INK, "Transom test desktop");
    let day = unix_seconds % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", day / 3600, day / 60 % 60, day % 60);
    let zone = WHOLE.width - MARGIN - text_width(3, SMALL);
    let lower = y + text_height(LARGE) - text_height(SMALL);
    canvas.text(zone - text_width(clock.len(), LARGE) - INSET / 2, y, LARGE, ACCENT, &clock);
    canvas.text(zone, lower, SMALL, DIM, "UTC");
    let says = "What you type, point at and paste comes back in this picture.";
    canvas.text(MARGIN, y + text_height(LARGE) + 18, SMALL, DIM, says);
}

/// Draws the last lines of typed text, followed by a cursor.
fn keyboard(canvas: &mut Canvas, typed: &str, step: u64) {
    panel(canvas, KEYBOARD, "KEYBOARD", "Enter and Backspace work");
    let columns = (KEYBOARD.width - 2 * INSET) / text_width(1, SMALL);
    let first = KEYBOARD.y + INSET + text_height(SMALL) + 14;
    let rows = (KEYBOARD.y + KEYBOARD.height - INSET / 2 - first) / LINE;
    let lines = wrapped(typed, columns);
    let shown = lines.get(lines.len().saturating_sub(rows)..).unwrap_or_default();
    let left = KEYBOARD.x + INSET;
    for (row, line) in shown.iter().enumerate() {
        canvas.text(left, first + row * LINE, SMALL, INK, line);
    }
    if (step / 2).is_multiple_of(2) {
        let column = shown.last().map_or(0, |line| line.chars().count());
        let top = first + (shown.len().max(1) - 1) * LINE;
        let cursor = Area::new(left + text_width(column, SMALL), top - 2, 5 * SMALL, text_height(SMALL) + 4);
        canvas.fill(cursor, ACCENT);
    }
}

/// Breaks text into lines of fewer than `columns` characters: the cursor needs the last column.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for (index, character) in paragraph.chars().enumerate() {
            if index > 0 && index % (columns - 1) == 0 {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
        lines.push(line);
    }
    lines
}

fn panel(canvas: &mut Canvas, area: Area, name: &str, hint: &str) {
    canvas.panel(area, PANEL, EDGE);
    canvas.text(area.x + INSET, area.y + 12, SMALL, ACCENT, name);
    let room = text_width(hint.chars().count(), SMALL);
    canvas.text(area.x + area.width - INSET - room, area.y + 12, SMALL, DIM, hint);
}

/// Draws the second line of a panel: its content, or a hint if there is none.
fn content(canvas: &mut Canvas, area: Area, text: Option<&str>, otherwise: &str) {
    let columns = (area.width - 2 * INSET) / text_width(1, SMALL);
    let colour = if text.is_some() { INK } else { DIM };
    let shown: String = text.unwrap_or(otherwise).chars().take(columns).collect();
    canvas.text(area.x + INSET, area.y + 38, SMALL, colour, &shown);
}

/// Marks the pointer. The colour shows whether a button is down.
fn cross(canvas: &mut Canvas, input: &ViewerInput) {
    const ARM: usize = 14;
    const GAP: usize = 4;
    let Some(pointer) = input.pointer() else { return };
    let colour = if pointer.buttons == 0 { ACCENT } else { ALERT };
    let (x, y) = (usize::from(pointer.x), usize::from(pointer.y));
    let mut stroke = |x: Option<usize>, y: Option<usize>, width, height| {
        if let (Some(x), Some(y)) = (x, y) {
            canvas.fill(Area::new(x, y, width, height), colour);
        }
    };
    let length = ARM - GAP;
    stroke(x.checked_sub(ARM), y.checked_sub(1), length, 2);
    stroke(Some(x + GAP), y.checked_sub(1), length, 2);
    stroke(x.checked_sub(1), y.checked_sub(ARM), 2, length);
    stroke(x.checked_sub(1), Some(y + GAP), 2, length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_wrap_and_leave_room_for_the_cursor() {
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("abcd\n", 5), ["abcd", ""]);
        assert_eq!(wrapped("abcdefghi", 5), ["abcd", "efgh", "i"]);
    }

    #[test]
    fn the_picture_can_be_drawn_after_any_input() {
        let mut canvas = Canvas::new();
        let mut input = ViewerInput::default();
        let mut modifiers = crate::viewer_input::Modifiers::default();
        for (x, y) in [(0, 0), (799, 599), (u16::MAX, u16::MAX)] {
            let pointer = transom_rfb::ClientMessage::Pointer { buttons: 255, x, y };
            input.take(&pointer, &mut modifiers);
            draw(&mut canvas, &input, Moment { unix_seconds: u64::MAX, step: u64::MAX, viewers: usize::MAX });
        }
    }
}

//! The viewers' input to the desktop.

use transom_rfb::ClientMessage;

/// The most characters of typed text that are stored: more than the picture can show.
const MAX_TYPED: usize = 4096;

/// The most bytes of clipboard text that are stored, which is plenty for a test.
const MAX_CLIPBOARD: usize = 64 * 1024;

/// The input of all viewers together.
#[derive(Debug, Default)]
pub(crate) struct ViewerInput {
    typed: String,
    pointer: Option<Pointer>,
    clipboard: Vec<u8>,
    echoes: u64,
}

/// The pointer's position and buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) x: u16,
    pub(crate) y: u16,
    pub(crate) buttons: u8,
}

/// The modifier keys that one viewer holds down. They turn letters into commands.
#[derive(Debug, Default)]
pub(crate) struct Modifiers {
    held: Vec<u32>,
}

impl Modifiers {
    /// Records the state of Control, Alt, Meta and Super. Returns whether any is down.
    fn update(&mut self, keysym: u32, down: bool) -> bool {
        if matches!(keysym, 0xffe3 | 0xffe4 | 0xffe7..=0xffec) {
            self.held.retain(|held| *held != keysym);
            if down {
                self.held.push(keysym);
            }
        }
        !self.held.is_empty()
    }
}

impl ViewerInput {
    /// Takes a viewer's message. Returns whether the picture changes.
    pub(crate) fn take(&mut self, message: &ClientMessage<'_>, modifiers: &mut Modifiers) -> bool {
        match *message {
            ClientMessage::Key { down, keysym } => {
                !modifiers.update(keysym, down) && down && self.press(keysym)
            }
            ClientMessage::Pointer { buttons, x, y } => {
                let pointer = Some(Pointer { x, y, buttons });
                std::mem::replace(&mut self.pointer, pointer) != pointer
            }
            ClientMessage::CutText(text) => {
                self.clipboard = text.iter().copied().take(MAX_CLIPBOARD).collect();
                true
            }
            _ => false,
        }
    }

    /// Handles a key by its X11 keysym: a Latin-1 keysym is the character, and function keys start
    /// at 0xff00.
    fn press(&mut self, keysym: u32) -> bool {
        match keysym {
            0xff08 => return self.typed.pop().is_some(),
            0xff0d | 0xff8d => self.typed.push('\n'),
            0xffbf => self.echoes += 1,
            0x20..=0x7e | 0xa0..=0xff => self.typed.extend(char::from_u32(keysym)),
            _ => return false,
        }
        // At most one character was added.
        if self.typed.chars().count() > MAX_TYPED {
            self.typed.remove(0);
        }
        true
    }

    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    pub(crate) fn pointer(&self) -> Option<Pointer> {
        self.pointer
    }

    /// The clipboard, converted from Latin-1.
    pub(crate) fn clipboard(&self) -> String {
        self.clipboard.iter().copied().map(char::from).collect()
    }

    /// The number of times that F2 was pressed, and the text that it sends to the viewers: the
    /// clipboard in capitals.
    pub(crate) fn echo(&self) -> (u64, Vec<u8>) {
        (self.echoes, self.clipboard.to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut ViewerInput, keysyms: &[u32]) {
        let mut modifiers = Modifiers::default();
        for &keysym in keysyms {
            input.take(&ClientMessage::Key { down: true, keysym }, &mut modifiers);
            input.take(&ClientMessage::Key { down: false, keysym }, &mut modifiers);
        }
    }

    #[test]
    fn letters_enter_and_backspace_make_text() {
        let mut input = ViewerInput::default();
        press(&mut input, &[0x48, 0x69, 0x78, 0xff08, 0xff0d, 0xe9, 0xffe1]);
        assert_eq!(input.typed(), "Hi\n\u{e9}");
    }

    #[test]
    fn a_letter_with_control_is_a_command_and_not_text() {
        let (mut input, mut modifiers) = (ViewerInput::default(), Modifiers::default());
        let mut key = |down, keysym| input.take(&ClientMessage::Key { down, keysym }, &mut modifiers);
        key(true, 0xffe3);
        assert!(!key(true, 0x76));
        key(false, 0x76);
        key(false, 0xffe3);
        assert!(key(true, 0x76));
        assert_eq!(input.typed(), "v");
    }

    #[test]
    fn the_oldest_text_is_forgotten() {
        let mut input = ViewerInput::default();
        press(&mut input, &vec![0xe9; MAX_TYPED]);
        press(&mut input, &[0x61]);
        assert_eq!(input.typed().chars().count(), MAX_TYPED);
        assert!(input.typed().ends_with('a'));
    }

    #[test]
    fn the_clipboard_comes_back_in_capitals_when_asked() {
        let mut input = ViewerInput::default();
        input.take(&ClientMessage::CutText(b"caf\xe9"), &mut Modifiers::default());
        press(&mut input, &[0xffbf]);
        assert_eq!(input.clipboard(), "caf\u{e9}");
        assert_eq!(input.echo(), (1, b"CAF\xe9".to_vec()));
    }
}

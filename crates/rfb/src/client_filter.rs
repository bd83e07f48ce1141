//! The filter between a viewer and an instance: it decides which client messages pass.
//!
//! RFB has no framing: the next message can only be found if the length of the current one is
//! known. The filter follows the stream message by message. By its kind, it lets each message pass
//! or drops it. It stores only a few header bytes, with one exception: a SetEncodings that arrives
//! in pieces is gathered first (at most 4 KiB), because it is rewritten.
//!
//! A message over its length limit is dropped, like a forbidden one. The filter counts its bytes to
//! find the next message.
//!
//! A chunk in which every message may pass is forwarded without a copy or an allocation. If a
//! message is dropped, the rest of the chunk moves up in place. The output is never longer than the
//! input.

use crate::announcement::{Announcements, Extensions};
use crate::client_message::{ClientMessageError, CutText, HEADER_MAX, Kind, Measure, measure};
use crate::encoding::Encoding;

/// The rights of a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientPolicy {
    /// Drops keys, pointer, clipboard, power and size, so that the viewer can only watch.
    pub view_only: bool,
    /// True if the viewer's clipboard may reach the instance.
    pub clipboard_to_instance: bool,
}

impl ClientPolicy {
    /// Lets every message of known length pass.
    pub const FULL: Self = Self { view_only: false, clipboard_to_instance: true };
    /// Lets the viewer watch, and no more.
    pub const VIEW_ONLY: Self = Self { view_only: true, clipboard_to_instance: false };

    fn lets_cut_text_pass(self) -> bool {
        self.clipboard_to_instance && !self.view_only
    }

    /// Returns whether a message passes. A view-only viewer may use the extensions that every
    /// instance knows, and those that this instance has announced. An instance that does not know
    /// an extension would take its bytes for other messages.
    fn keeps(self, kind: Kind, known: Extensions) -> bool {
        match kind {
            Kind::Key | Kind::Pointer | Kind::QemuKey | Kind::Gii | Kind::Xvp | Kind::SetDesktopSize => {
                !self.view_only
            }
            Kind::CutText(_) => self.lets_cut_text_pass(),
            Kind::SetPixelFormat | Kind::SetEncodings | Kind::UpdateRequest => true,
            Kind::ContinuousUpdates => !self.view_only || known.continuous_updates,
            Kind::Fence => !self.view_only || known.fence,
            Kind::QemuAudio => !self.view_only || known.qemu_audio,
        }
    }

    /// Returns whether the viewer may ask for an encoding. `known` holds the extensions that the
    /// instance has announced, and those whose announcement would still be seen.
    fn lets_ask_for(self, encoding: Encoding, known: Extensions) -> bool {
        match encoding {
            Encoding::FENCE => !self.view_only || known.fence,
            Encoding::CONTINUOUS_UPDATES => !self.view_only || known.continuous_updates,
            // The length of a PointerEvent depends on whether the instance supports this extension,
            // which the filter cannot see. A viewer could exploit that to hide a forbidden message
            // inside a permitted one.
            Encoding::EXTENDED_MOUSE_BUTTONS => self == Self::FULL,
            // With this encoding, the instance only offers its clipboard, and the viewer's request
            // for it would be dropped. Without it, the instance sends its clipboard as plain text.
            Encoding::EXTENDED_CLIPBOARD => self.lets_cut_text_pass(),
            Encoding::GII | Encoding::XVP => !self.view_only,
            other => other.is_followable(),
        }
    }
}

/// The result for one chunk: write `head`, then `body`, to the instance.
#[derive(Debug, PartialEq, Eq)]
pub struct Filtered<'a> {
    /// The bytes of earlier chunks that were held back and now pass. Almost always empty.
    pub head: Vec<u8>,
    /// The bytes of this chunk that pass: usually all of them. If some are dropped, the others are
    /// moved to its front.
    pub body: &'a [u8],
    /// True if the user is active: a key, pointer, clipboard or power message began in this chunk.
    /// It does not matter whether it passed.
    pub input: bool,
    /// The fate of the last clipboard message in this chunk. A message that passes is reported by
    /// the chunk in which it ends.
    pub clipboard: Option<ClipboardFate>,
}

/// The fate of a clipboard message that the viewer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipboardFate {
    /// The whole of a plain text passed. RFB does not confirm its arrival.
    Written,
    /// The announcement of a text passed (Extended Clipboard, notify).
    Offered,
    /// The whole of a text that the instance had asked for passed (Extended Clipboard, provide).
    Provided,
    /// A text over the limit was dropped.
    Skipped,
}

impl ClipboardFate {
    /// The fate of a message of this kind that passed.
    fn passed(kind: Kind) -> Option<Self> {
        match kind {
            Kind::CutText(CutText::Plain) => Some(Self::Written),
            Kind::CutText(CutText::Offer) => Some(Self::Offered),
            Kind::CutText(CutText::Data) => Some(Self::Provided),
            _ => None,
        }
    }
}

/// Follows a viewer's messages and decides which pass. See the [module](self).
#[derive(Debug)]
pub struct ClientFilter {
    policy: ClientPolicy,
    /// True if the viewer's last SetEncodings announced ExtendedMouseButtons, after forbidden
    /// entries were removed.
    wide_pointer: bool,
    /// The extensions that the instance has announced.
    known: Extensions,
    /// True while announcements of the instance are still read.
    heard: bool,
    /// True if the viewer has asked for a picture, so that pixels may arrive at any time.
    requested: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next byte is a message type.
    Boundary,
    /// The length is not known yet. If `held` is true, the kind is not known either, and the bytes
    /// wait for a decision. Otherwise `keep` is true if they passed.
    Header { bytes: [u8; HEADER_MAX], len: usize, held: bool, keep: bool },
    /// `left` bytes of the message remain. `fate` is reported at its end if it passed.
    Body { left: usize, keep: bool, fate: Option<ClipboardFate> },
    /// A SetEncodings is being gathered.
    Encodings(Vec<u8>),
    /// The stream cannot be followed any further.
    Lost(ClientMessageError),
}

impl ClientFilter {
    /// Creates a filter for the messages after ClientInit.
    pub fn new(policy: ClientPolicy) -> Self {
        Self {
            policy,
            wide_pointer: false,
            known: Extensions::default(),
            heard: policy.view_only,
            requested: false,
            state: State::Boundary,
        }
    }

    /// Returns whether the filter depends on the instance's announcements: see
    /// [`hear`](Self::hear).
    pub fn listens(&self) -> bool {
        self.heard
    }

    /// Updates the filter with the instance's announcements. The caller must do so before it
    /// forwards them to the viewer.
    pub fn hear(&mut self, announcements: &Announcements) {
        self.known = announcements.known();
        self.heard = self.policy.view_only && !announcements.is_over();
    }

    /// Returns whether the last chunk ended with the end of a message.
    pub fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Boundary)
    }

    /// Filters the next bytes in place.
    ///
    /// After an error, the stream cannot be followed, and every further call returns the same
    /// error. Earlier calls let whole messages pass, and possibly the beginning of the faulty one.
    pub fn filter<'a>(&mut self, chunk: &'a mut [u8]) -> Result<Filtered<'a>, ClientMessageError> {
        let mut sieve = Sieve { chunk, read: 0, kept: 0, head: Vec::new(), input: false, clipboard: None };
        while !sieve.rest().is_empty() {
            if let Err(error) = self.advance(&mut sieve) {
                self.state = State::Lost(error);
                return Err(error);
            }
        }
        Ok(sieve.finish())
    }

    #[inline]
    fn advance(&mut self, sieve: &mut Sieve<'_>) -> Result<(), ClientMessageError> {
        match &mut self.state {
            State::Boundary => match measure(sieve.rest(), self.wide_pointer)? {
                Measure::Whole { kind: Kind::SetEncodings, .. }
                | Measure::Partial(Some(Kind::SetEncodings)) => {
                    self.begin_encodings(sieve);
                }
                Measure::Whole { kind, len } => {
                    self.requested |= kind == Kind::UpdateRequest;
                    let keep = sieve.begin(kind, self.policy, self.known);
                    self.settle(sieve, len as usize, keep, ClipboardFate::passed(kind));
                }
                Measure::Excess { kind, len } => self.skip(sieve, kind, len as usize),
                Measure::Partial(kind) => self.begin_header(sieve, kind),
            },
            State::Body { left, keep, fate } => {
                let (left, keep, fate) = (*left, *keep, *fate);
                self.settle(sieve, left, keep, fate);
            }
            State::Header { .. } => self.continue_header(sieve)?,
            State::Encodings(_) => self.continue_encodings(sieve)?,
            State::Lost(error) => return Err(*error),
        }
        Ok(())
    }

    /// Keeps or drops the `left` bytes up to the end of the message.
    #[inline]
    fn settle(&mut self, sieve: &mut Sieve<'_>, left: usize, keep: bool, fate: Option<ClipboardFate>) {
        let left = sieve.settle(left, keep);
        self.state = if left > 0 {
            State::Body { left, keep, fate }
        } else {
            sieve.clipboard = fate.filter(|_| keep).or(sieve.clipboard);
            State::Boundary
        };
    }

    /// Drops a message that is too long. `left` of its bytes remain.
    fn skip(&mut self, sieve: &mut Sieve<'_>, kind: Kind, left: usize) {
        let allowed = sieve.begin(kind, self.policy, self.known);
        if allowed && matches!(kind, Kind::CutText(_)) {
            sieve.clipboard = Some(ClipboardFate::Skipped);
        }
        self.settle(sieve, left, false, None);
    }

    /// Stores a header that the end of the chunk cuts off. If its kind is certain, its bytes pass
    /// or are dropped at once.
    fn begin_header(&mut self, sieve: &mut Sieve<'_>, kind: Option<Kind>) {
        let mut bytes = [0; HEADER_MAX];
        let len = sieve.rest().len();
        for (slot, byte) in bytes.iter_mut().zip(sieve.rest()) {
            *slot = *byte;
        }
        let keep = kind.is_some_and(|kind| sieve.begin(kind, self.policy, self.known));
        sieve.settle(len, keep);
        self.state = State::Header { bytes, len, held: kind.is_none(), keep };
    }

    /// Takes one more byte of a header that was cut off.
    fn continue_header(&mut self, sieve: &mut Sieve<'_>) -> Result<(), ClientMessageError> {
        let State::Header { bytes, len, held, keep } = &mut self.state else { return Ok(()) };
        let (Some(byte), Some(slot)) = (sieve.rest().first(), bytes.get_mut(*len)) else { return Ok(()) };
        *slot = *byte;
        *len += 1;
        let measured = measure(bytes.get(..*len).unwrap_or_default(), self.wide_pointer)?;
        if let Measure::Excess { kind, len: whole } = measured {
            // Only a message that is held until its length is known can end up here, so no byte has
            // passed.
            let left = (whole as usize).saturating_sub(*len);
            sieve.settle(1, false);
            self.skip(sieve, kind, left);
            return Ok(());
        }
        let (Measure::Whole { kind, .. } | Measure::Partial(Some(kind))) = measured else {
            sieve.settle(1, false);
            return Ok(());
        };
        if std::mem::take(held) {
            *keep = sieve.begin(kind, self.policy, self.known);
            if *keep {
                sieve.head.extend(bytes.get(..*len - 1).unwrap_or_default());
            }
        }
        // The decision holds for the whole message. An announcement that arrives in the middle
        // affects only the next message.
        let keep = *keep;
        sieve.settle(1, keep);
        if let Measure::Whole { len: whole, .. } = measured {
            let left = (whole as usize).saturating_sub(*len);
            self.settle(sieve, left, keep, ClipboardFate::passed(kind));
        }
        Ok(())
    }

    /// Rewrites a whole SetEncodings in place, or begins to gather one that is cut off.
    fn begin_encodings(&mut self, sieve: &mut Sieve<'_>) {
        if let Ok(Measure::Whole { len, .. }) = measure(sieve.rest(), false)
            && let Some(message) = sieve.rest_mut().get_mut(..len as usize)
        {
            let kept = self.strike(message);
            sieve.settle(kept, true);
            sieve.settle(len as usize - kept, false);
            return;
        }
        self.state = State::Encodings(Vec::new());
    }

    /// Gathers a SetEncodings that was cut off. The count in its header is only known once all
    /// entries are.
    fn continue_encodings(&mut self, sieve: &mut Sieve<'_>) -> Result<(), ClientMessageError> {
        let State::Encodings(message) = &mut self.state else { return Ok(()) };
        let whole = |message: &[u8]| match measure(message, false)? {
            Measure::Whole { len, .. } | Measure::Excess { len, .. } => Ok(Some(len as usize)),
            Measure::Partial(_) => Ok(None),
        };
        let missing = whole(message)?.unwrap_or(ENCODINGS_HEADER_LEN).saturating_sub(message.len());
        let taken = missing.min(sieve.rest().len());
        message.extend(sieve.rest().iter().take(taken));
        sieve.settle(taken, false);
        if let Measure::Excess { kind, len } = measure(message, false)? {
            let left = (len as usize).saturating_sub(message.len());
            self.skip(sieve, kind, left);
        } else if whole(message)? == Some(message.len()) {
            let mut message = std::mem::take(message);
            let kept = self.strike(&mut message);
            message.truncate(kept);
            sieve.head = message;
            self.state = State::Boundary;
        }
        Ok(())
    }

    /// Removes forbidden entries from a whole SetEncodings, and returns its new length.
    fn strike(&mut self, message: &mut [u8]) -> usize {
        let Some((header, entries)) = message.split_first_chunk_mut::<ENCODINGS_HEADER_LEN>() else {
            return 0;
        };
        let entries = entries.as_chunks_mut::<4>().0;
        self.wide_pointer = false;
        // Until the viewer asks for a picture, the instance's answer to SetEncodings will be seen.
        // Afterwards, the viewer may ask only for announced extensions.
        let seen = self.heard && !self.requested;
        let askable = Extensions {
            fence: self.known.fence || seen,
            continuous_updates: self.known.continuous_updates || seen,
            ..self.known
        };
        let mut kept: u16 = 0;
        for index in 0..entries.len() {
            let Some(&entry) = entries.get(index) else { break };
            let encoding = Encoding(i32::from_be_bytes(entry));
            if self.policy.lets_ask_for(encoding, askable) {
                self.wide_pointer |= encoding == Encoding::EXTENDED_MOUSE_BUTTONS;
                if let Some(slot) = entries.get_mut(usize::from(kept)) {
                    *slot = entry;
                }
                kept += 1;
            }
        }
        let [a, b] = kept.to_be_bytes();
        *header = [2, 0, a, b];
        ENCODINGS_HEADER_LEN + 4 * usize::from(kept)
    }
}

/// The length of type, padding and count in a SetEncodings.
const ENCODINGS_HEADER_LEN: usize = 4;

/// A chunk in progress: `..kept` passes, `kept..read` is dropped, and `read..` is still undecided.
struct Sieve<'a> {
    chunk: &'a mut [u8],
    read: usize,
    kept: usize,
    head: Vec<u8>,
    input: bool,
    clipboard: Option<ClipboardFate>,
}

impl<'a> Sieve<'a> {
    fn rest(&self) -> &[u8] {
        self.chunk.get(self.read..).unwrap_or_default()
    }

    fn rest_mut(&mut self) -> &mut [u8] {
        self.chunk.get_mut(self.read..).unwrap_or_default()
    }

    /// Notes the beginning of a message, and returns whether it passes.
    fn begin(&mut self, kind: Kind, policy: ClientPolicy, known: Extensions) -> bool {
        self.input |= matches!(
            kind,
            Kind::Key | Kind::Pointer | Kind::QemuKey | Kind::CutText(_) | Kind::Gii | Kind::Xvp
        );
        policy.keeps(kind, known)
    }

    /// Keeps or drops the next `len` bytes, as far as they are in this chunk. Returns the number of
    /// missing bytes.
    fn settle(&mut self, len: usize, keep: bool) -> usize {
        let here = len.min(self.chunk.len() - self.read);
        if keep {
            if self.kept != self.read {
                self.chunk.copy_within(self.read..self.read + here, self.kept);
            }
            self.kept += here;
        }
        self.read += here;
        len - here
    }

    fn finish(self) -> Filtered<'a> {
        let Self { chunk, kept, head, input, clipboard, .. } = self;
        let chunk: &'a [u8] = chunk;
        Filtered { head, body: chunk.get(..kept).unwrap_or_default(), input, clipboard }
    }
}

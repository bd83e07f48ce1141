//! What of a viewer's messages reaches the instance.
//!
//! RFB has no framing: the only way to find the next message is to know the length of this one. The filter walks the stream
//! message by message and lets each pass or not, by its kind. It stores nothing but a few header bytes, except for a
//! SetEncodings that arrives in pieces: that one is rewritten, so it is gathered first (at most 4 KiB).
//!
//! A message that is longer than its limit is skipped, like one that may not pass: its bytes are counted and dropped, and
//! what follows it is not affected.
//!
//! The usual chunk passes as it is, without a copy or an allocation. Where something is dropped, the rest of the chunk moves
//! up in place; the output is never longer than what came in.

use crate::announcement::{Announcements, Extensions};
use crate::client_message::{ClientMessageError, CutText, HEADER_MAX, Kind, Measure, measure};
use crate::encoding::Encoding;

/// What a viewer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientPolicy {
    /// Drops keys, pointer, clipboard, power and size: the viewer only watches.
    pub view_only: bool,
    /// Whether the viewer's clipboard may reach the instance.
    pub clipboard_to_instance: bool,
}

impl ClientPolicy {
    /// Everything that can be followed passes.
    pub const FULL: Self = Self { view_only: false, clipboard_to_instance: true };
    /// Only watching.
    pub const VIEW_ONLY: Self = Self { view_only: true, clipboard_to_instance: false };

    fn lets_cut_text_pass(self) -> bool {
        self.clipboard_to_instance && !self.view_only
    }

    /// What only watches holds to what every instance knows, and to what this one has told that it knows: another would take
    /// the bytes of an extension for messages of their own.
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

    /// `known` is what the instance has told, and whatever it can still tell unseen is not asked for.
    fn lets_ask_for(self, encoding: Encoding, known: Extensions) -> bool {
        match encoding {
            Encoding::FENCE => !self.view_only || known.fence,
            Encoding::CONTINUOUS_UPDATES => !self.view_only || known.continuous_updates,
            // Whether the server took this up shows only in the other direction, and with it the length of a PointerEvent. A
            // viewer could use the doubt to hide a message that is dropped here inside one that passes.
            Encoding::EXTENDED_MOUSE_BUTTONS => self == Self::FULL,
            // With it, the instance would wait for requests that are dropped; without it, it sends its clipboard plainly.
            Encoding::EXTENDED_CLIPBOARD => self.lets_cut_text_pass(),
            Encoding::GII | Encoding::XVP => !self.view_only,
            other => other.is_followable(),
        }
    }
}

/// What one chunk became: write `head`, then `body`, to the instance.
#[derive(Debug, PartialEq, Eq)]
pub struct Filtered<'a> {
    /// What was held back from earlier chunks and may go now; almost always empty, and then without an allocation.
    pub head: Vec<u8>,
    /// What passes of this chunk: its first bytes, all of them in the usual case.
    pub body: &'a [u8],
    /// Whether somebody is there: a key, the pointer, a clipboard or a power command began here, passed or dropped.
    pub input: bool,
    /// The last clipboard message that was decided on here: one that passed ends here.
    pub clipboard: Option<ClipboardFate>,
}

/// What became of a clipboard message that the viewer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipboardFate {
    /// A plain text passed whole; nothing ever confirms one.
    Written,
    /// The news that there is a text passed (Extended Clipboard, notify).
    Offered,
    /// A text that the instance had asked for passed whole (Extended Clipboard, provide).
    Provided,
    /// A text over the limit was skipped.
    Skipped,
}

impl ClipboardFate {
    /// What it means that a message passed.
    fn passed(kind: Kind) -> Option<Self> {
        match kind {
            Kind::CutText(CutText::Plain) => Some(Self::Written),
            Kind::CutText(CutText::Offer) => Some(Self::Offered),
            Kind::CutText(CutText::Data) => Some(Self::Provided),
            _ => None,
        }
    }
}

/// Follows a viewer's messages and decides what passes. See the [module](self).
#[derive(Debug)]
pub struct ClientFilter {
    policy: ClientPolicy,
    /// The viewer's last SetEncodings, as it passed, announced ExtendedMouseButtons.
    wide_pointer: bool,
    /// What the instance has told that it knows.
    known: Extensions,
    /// Whether somebody still looks at what the instance tells.
    heard: bool,
    /// The viewer has asked for a picture, so that one may be on its way.
    requested: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next byte is a message type.
    Boundary,
    /// The length is not known yet. `held` bytes have neither passed nor been dropped: their kind is not certain.
    /// Of the others, `keep` tells whether they passed.
    Header { bytes: [u8; HEADER_MAX], len: usize, held: bool, keep: bool },
    /// This many bytes of the message are to come; it has this fate at its end.
    Body { left: usize, keep: bool, fate: Option<ClipboardFate> },
    /// A SetEncodings is being gathered.
    Encodings(Vec<u8>),
    /// The stream cannot be followed any further.
    Lost(ClientMessageError),
}

impl ClientFilter {
    /// Starts behind ClientInit.
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

    /// Whether what passes depends on what the instance tells: see [`hear`](Self::hear).
    pub fn listens(&self) -> bool {
        self.heard
    }

    /// Takes note of what the instance has told. Tell this before the viewer can have read it.
    pub fn hear(&mut self, announcements: &Announcements) {
        self.known = announcements.known();
        self.heard = self.policy.view_only && !announcements.is_over();
    }

    /// Whether the last chunk ended with the end of a message.
    pub fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Boundary)
    }

    /// Filters the next bytes in place.
    ///
    /// After an error the stream cannot be followed: every further call returns it again. What passed in earlier calls was
    /// whole messages, or the beginning of the one that is at fault.
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

    /// Drops a message of a length that is not accepted, of which `left` bytes are not judged yet.
    fn skip(&mut self, sieve: &mut Sieve<'_>, kind: Kind, left: usize) {
        let allowed = sieve.begin(kind, self.policy, self.known);
        if allowed && matches!(kind, Kind::CutText(_)) {
            sieve.clipboard = Some(ClipboardFate::Skipped);
        }
        self.settle(sieve, left, false, None);
    }

    /// Puts aside a header that the end of the chunk cuts; where its kind is certain, its bytes go on at once.
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

    /// Takes one more byte of a header that was cut by the end of a chunk.
    fn continue_header(&mut self, sieve: &mut Sieve<'_>) -> Result<(), ClientMessageError> {
        let State::Header { bytes, len, held, keep } = &mut self.state else { return Ok(()) };
        let (Some(byte), Some(slot)) = (sieve.rest().first(), bytes.get_mut(*len)) else { return Ok(()) };
        *slot = *byte;
        *len += 1;
        let measured = measure(bytes.get(..*len).unwrap_or_default(), self.wide_pointer)?;
        if let Measure::Excess { kind, len: whole } = measured {
            // Its length decided, so none of it has passed.
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
        // As it began: what the instance tells in the middle of a message changes the next one.
        let keep = *keep;
        sieve.settle(1, keep);
        if let Measure::Whole { len: whole, .. } = measured {
            let left = (whole as usize).saturating_sub(*len);
            self.settle(sieve, left, keep, ClipboardFate::passed(kind));
        }
        Ok(())
    }

    /// A SetEncodings that is whole is rewritten where it lies.
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

    /// One that is not is gathered: the count in its header depends on its last entry.
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

    /// Removes what may not be asked for from a whole SetEncodings; tells its new length.
    fn strike(&mut self, message: &mut [u8]) -> usize {
        let Some((header, entries)) = message.split_first_chunk_mut::<ENCODINGS_HEADER_LEN>() else {
            return 0;
        };
        let entries = entries.as_chunks_mut::<4>().0;
        self.wide_pointer = false;
        // Before the first picture it is seen whether the instance knows what it is asked for; later only what it knows already.
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

/// Type, padding and count of a SetEncodings.
const ENCODINGS_HEADER_LEN: usize = 4;

/// A chunk on its way: `..kept` passes, `kept..read` is dropped, `read..` is to be judged.
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

    /// Notes the beginning of a message and tells whether it passes.
    fn begin(&mut self, kind: Kind, policy: ClientPolicy, known: Extensions) -> bool {
        self.input |= matches!(
            kind,
            Kind::Key | Kind::Pointer | Kind::QemuKey | Kind::CutText(_) | Kind::Gii | Kind::Xvp
        );
        policy.keeps(kind, known)
    }

    /// Keeps or drops the next `len` bytes, or as many of them as are here; tells how many are not.
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

//! A session from its claim to its end.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use transom_model::end_reason::{End, Retry};
use transom_model::id::RequestId;
use transom_model::session::SessionState;
use transom_model::{EndReason, grant::Rights};
use transom_rfb::{ClientFilter, ClientPolicy, ViewerHandshake, ViewerProgress};

use super::channel::{Notice, ToPage};
use super::dial::{Dialled, dial};
use super::limits::VIEWER_HANDSHAKE;
use super::link::Link;
use super::pump::{Bounds, Meters, Pump};
use super::reception::{Dialling, attend};
use transom_app::consoles::claim::Claim;
use transom_app::devices::DialDevice;
use transom_app::{App, Error};

/// Carries a session until it ends, and reports the reason to the viewer, the store, the log and
/// the metrics.
///
/// Claim and link are boxed, since each future that they pass through would reserve room for them.
pub async fn run(app: Arc<App>, devices: Arc<dyn DialDevice>, mut claim: Box<Claim>, mut link: Box<Link>) {
    link.will_return(claim.resumable);
    let Some(mut cut) = claim.live.cut_signal() else { return };
    let claimed = Instant::now();
    let mut greeting = ViewerHandshake::new();
    let opened = Box::pin(open(&app, &*devices, &claim, &mut link, &mut greeting, &mut cut)).await;
    let (end, introduced) = match opened {
        Ok(ready) => {
            app.metrics.first_byte.observe(claimed.elapsed().as_secs_f64());
            let end = carry(&app, &claim, &mut link, ready, cut).await;
            Box::pin(settle(&app, &claim, &end)).await;
            (end, true)
        }
        Err(failure) => Box::pin(fail(&app, &claim, failure)).await,
    };
    log(&claim, &end);
    // The session's slot is freed before the viewer gets the reason, so that a slow viewer does not
    // occupy it.
    drop(claim);
    if !introduced {
        Box::pin(tell_by_rfb(&mut link, greeting, &end)).await;
    }
    if end.reason == EndReason::ShuttingDown {
        link.tell(ToPage::Notice(Notice::Restart));
    }
    Box::pin(link.close(&end)).await;
}

/// Tells a viewer the reason why it gets no session.
pub async fn refuse(mut link: Link, end: &End) {
    tell_by_rfb(&mut link, ViewerHandshake::new(), end).await;
    link.close(end).await;
}

/// The reason why a session did not reach its screen, by its progress.
enum Failure {
    /// The failure came before the token's use was spent.
    Dial(End),
    /// The use could not be recorded as spent.
    Commit(End),
    /// The failure came after the token's use was spent.
    Viewer(End),
}

struct Ready {
    instance: Dialled,
    early: Vec<u8>,
}

/// Takes a session to its first pixels. This and its parts are boxed, since they need much more
/// memory than the session after them.
async fn open(
    app: &App,
    devices: &dyn DialDevice,
    claim: &Claim,
    link: &mut Link,
    greeting: &mut ViewerHandshake,
    cut: &mut oneshot::Receiver<End>,
) -> Result<Ready, Failure> {
    let mut ahead = Vec::new();
    let dialled = Box::pin(async {
        // The viewer answers during the dial, which saves one round trip.
        greet(link, greeting).await?;
        let dialling = Dialling::default();
        let origin = claim.visitor.origin();
        tokio::select! {
            dialled = dial(app, devices, &claim.destination, &origin, &dialling) => dialled,
            gone = attend(link, &dialling, &mut ahead) => Err(gone),
        }
    });
    let instance = unless_cut(cut, dialled).await.map_err(Failure::Dial)?;
    // The session is registered, then committed, then pumped, so one of the three steps sees a
    // revocation that comes at any moment.
    Box::pin(app.consoles.commit(claim))
        .await
        .map_err(|error| Failure::Commit(end_of(error, &claim.visitor.request)))?;
    let introduced = Box::pin(introduce(link, std::mem::take(greeting), &instance, ahead));
    let early = unless_cut(cut, introduced).await.map_err(Failure::Viewer)?;
    Ok(Ready { instance, early })
}

/// Awaits the work, unless the session is told to end first.
async fn unless_cut<T>(
    cut: &mut oneshot::Receiver<End>,
    work: impl Future<Output = Result<T, End>>,
) -> Result<T, End> {
    tokio::select! {
        done = work => done,
        end = cut => Err(end.unwrap_or_else(|_| EndReason::InternalError.into())),
    }
}

/// Sends the gateway's version of RFB.
async fn greet(link: &mut Link, greeting: &mut ViewerHandshake) -> Result<(), End> {
    let greeted = timeout(VIEWER_HANDSHAKE, link.send(&greeting.take_output())).await;
    greeted.unwrap_or_else(|_| Err(EndReason::ViewerTooSlow.into()))
}

/// Completes the viewer's handshake with the instance's ServerInit. The bytes that the viewer sent
/// `ahead` are read first. Returns the bytes that follow ClientInit.
async fn introduce(
    link: &mut Link,
    greeting: ViewerHandshake,
    instance: &Dialled,
    ahead: Vec<u8>,
) -> Result<Vec<u8>, End> {
    let introduced = timeout(VIEWER_HANDSHAKE, async {
        let mut machine = greeting.announcing(&instance.init);
        let mut received = ahead;
        loop {
            if received.is_empty() {
                link.receive(&mut received).await?;
            }
            let mut bytes = received.as_slice();
            let progress = machine.receive(&mut bytes);
            link.send(&machine.take_output()).await?;
            match progress {
                Ok(ViewerProgress::NeedMore) => received.clear(),
                Ok(ViewerProgress::Done { .. }) => return Ok(bytes.to_vec()),
                Ok(ViewerProgress::Refused) => return Err(EndReason::InternalError.into()),
                Err(error) => {
                    return Err(End::for_viewers(EndReason::ViewerProtocolError, format!("it {error}")));
                }
            }
        }
    });
    introduced.await.unwrap_or_else(|_| Err(EndReason::ViewerTooSlow.into()))
}

async fn carry(app: &App, claim: &Claim, link: &mut Link, ready: Ready, cut: oneshot::Receiver<End>) -> End {
    let Ready { instance, early } = ready;
    let console = &app.config().console;
    let longest = console.max_session.0.map(|most| most.saturating_sub(claim.target.age));
    let bounds = Bounds { until: first_end(claim, longest), idle: console.idle.0 };
    let meters = Meters { session: claim.live.traffic(), node: &app.metrics };
    let filter = ClientFilter::new(policy(claim.target.grant.rights));
    let mut pump = Pump::new(link, instance.stream, filter, meters, cut, bounds);
    if let Err(end) = pump.begin_with(early) {
        return end;
    }
    poll_fn(|cx| pump.poll(cx)).await
}

/// Returns the earlier of the session's longest duration and its link's end.
fn first_end(claim: &Claim, longest: Option<Duration>) -> Option<(Instant, EndReason)> {
    let expired = longest.map(|left| (claim.at + left, EndReason::SessionExpired));
    let link_ended = claim.target.ends_in.map(|left| (claim.at + left, EndReason::LinkEnded));
    [link_ended, expired].into_iter().flatten().min_by_key(|(until, _)| *until)
}

fn policy(rights: Rights) -> ClientPolicy {
    ClientPolicy { view_only: rights.view_only, clipboard_to_instance: rights.clipboard && !rights.view_only }
}

/// Records the end of a session that had reached its screen.
async fn settle(app: &App, claim: &Claim, end: &End) {
    let settled = match end.reason {
        // Another connection carries the session now, and will settle it.
        EndReason::TakenOver => app.consoles.detach(claim).await,
        // A passing failure must not cost the page its resume ticket: otherwise "try again" would
        // always return the old reason.
        reason if claim.resumable && matches!(reason.retry(), Retry::Resume | Retry::Later) => {
            app.consoles.detach(claim).await
        }
        _ => app.consoles.end(claim, end).await,
    };
    if let Err(error) = settled {
        tracing::error!(%error, session = %claim.live.id(), "the end of a session could not be recorded");
    }
}

/// Records that a session did not reach its screen. Returns the reason, and `true` if the viewer's
/// handshake had begun, so that RFB can no longer carry a reason.
async fn fail(app: &App, claim: &Claim, failure: Failure) -> (End, bool) {
    match failure {
        // The page was closed or reloaded during the wait. It returns with its resume ticket, and
        // its use waits until then.
        Failure::Dial(end) if claim.resumable && end.reason == EndReason::ViewerLost => {
            settle(app, claim, &end).await;
            (end, false)
        }
        // There is no use to give back, and the page will not return.
        Failure::Dial(end)
            if claim.target.state != SessionState::Reserved && end.reason == EndReason::ViewerClosed =>
        {
            settle(app, claim, &end).await;
            (end, false)
        }
        Failure::Dial(end) => {
            if let Err(error) = app.consoles.give_back(claim, &end).await {
                tracing::error!(%error, session = %claim.live.id(), "a use of a link could not be restored");
            }
            (end, false)
        }
        Failure::Commit(end) => {
            app.metrics.handshake_failed(end.reason);
            settle(app, claim, &end).await;
            (end, false)
        }
        Failure::Viewer(end) => {
            app.metrics.handshake_failed(end.reason);
            settle(app, claim, &end).await;
            (end, true)
        }
    }
}

/// Tells a raw viewer the reason in RFB's own form of failure (RFC 6143 §7.1.2), since it gets no
/// close frame.
async fn tell_by_rfb(link: &mut Link, greeting: ViewerHandshake, end: &End) {
    if !link.is_raw() {
        return;
    }
    let mut machine = greeting.refusing(&end.sentence());
    let _ = timeout(VIEWER_HANDSHAKE, async {
        let mut received = Vec::new();
        loop {
            link.send(&machine.take_output()).await?;
            received.clear();
            link.receive(&mut received).await?;
            let refused = machine.receive(&mut received.as_slice());
            link.send(&machine.take_output()).await?;
            if !matches!(refused, Ok(ViewerProgress::NeedMore)) {
                return Ok::<_, End>(());
            }
        }
    })
    .await;
}

/// Returns the end for a viewer whose session an error prevented. An error that no viewer can cause
/// goes to the log.
pub(super) fn end_of(error: Error, request: &RequestId) -> End {
    match error {
        Error::End(end) => end,
        Error::Internal(_) => unexpected(&error, request),
        _ => error.as_end().unwrap_or_else(|| unexpected(&error, request)),
    }
}

fn unexpected(error: &Error, request: &RequestId) -> End {
    tracing::error!(%request, %error, "a session could not begin");
    EndReason::InternalError.into()
}

fn log(claim: &Claim, end: &End) {
    let traffic = claim.live.bytes();
    tracing::info!(
        request = %claim.visitor.request,
        link = %claim.target.grant.id,
        session = %claim.live.id(),
        instance = %claim.destination.instance.id,
        reason = %end.reason,
        detail = end.detail(),
        to_viewer = traffic.to_viewer,
        to_instance = traffic.to_instance,
        "session ended"
    );
}

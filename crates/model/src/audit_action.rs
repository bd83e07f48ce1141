//! The actions that the audit records.

use std::fmt;
use std::str::FromStr;

use crate::id::ParseIdError;
use crate::words::words;

words! {
    /// An action that the audit records. Records of an action that a release removes stay readable,
    /// because they hold its word.
    AuditAction, "action", "must be an action that the audit records";
    AddressAcceptKey = "address.accept-key", "A changed device key was accepted.";
    AddressChange = "address.change", "A cloud address was changed.";
    AddressCreate = "address.create", "A cloud address was created.";
    AddressMove = "address.move", "A cloud address was moved to another key.";
    AddressRemove = "address.remove", "A cloud address was removed.";
    AddressReplace = "address.replace", "A new device took over a cloud address.";
    AddressReset = "address.reset", "A cloud address got a new password.";
    DeviceConnect = "device.connect", "A device session began.";
    DeviceCut = "device.cut", "The server ended a device session.";
    DeviceDisconnect = "device.disconnect", "A device session ended.";
    DeviceJoin = "device.join", "A device joined.";
    DeviceLeave = "device.leave", "A device left.";
    DeviceProgram = "device.program", "A device joined with another version of its program.";
    DeviceRivals = "device.rivals", "Two machines joined with one identity.";
    DeviceSentAway = "device.sent-away", "The server disconnected a device.";
    DeviceSupersede = "device.supersede", "A device joined again and replaced its earlier connection.";
    EnrollmentCreate = "enrollment.create", "An enrollment token was created.";
    EnrollmentRevoke = "enrollment.revoke", "An enrollment token was revoked.";
    InstanceChange = "instance.change", "An instance was changed.";
    InstanceCreate = "instance.create", "An instance was added.";
    InstanceRemove = "instance.remove", "An instance was removed.";
    InstanceTest = "instance.test", "An instance's endpoint was tested.";
    KeyCreate = "key.create", "An access key was created.";
    KeyRetire = "key.retire", "The older secret of an access key was retired.";
    KeyRevoke = "key.revoke", "An access key was revoked.";
    KeyRotate = "key.rotate", "An access key got another secret.";
    LinkCreate = "link.create", "A link was created.";
    LinkRevoke = "link.revoke", "A link was revoked.";
    LinkUse = "link.use", "A link was used.";
    MetadataChange = "metadata.change", "An instance's metadata was changed.";
    ProjectCreate = "project.create", "A project was created.";
    RepeaterRevoke = "repeater.revoke", "A repeater ticket was revoked.";
    RepeaterTicket = "repeater.ticket", "A repeater ticket was created.";
    RepeaterViewer = "repeater.viewer", "A number for a repeater's viewer was created.";
    RequestRefuse = "request.refuse", "A request was refused as malformed.";
    SessionEnd = "session.end", "A session ended.";
    SessionFail = "session.fail", "A session did not open.";
    SessionKill = "session.kill", "An operator, or the holder of a project's key, ended a session.";
    SessionStart = "session.start", "A session began.";
    TicketReplay = "ticket.replay", "A resume ticket was used twice.";
    TokenCreate = "token.create", "An API token was created.";
    TokenRevoke = "token.revoke", "An API token was revoked.";
}

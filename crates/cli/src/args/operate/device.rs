//! Cloud addresses, repeater tickets and enrollments.

use std::path::PathBuf;

use clap::Subcommand;
use transom_agent::PublicKey;
use transom_config::HumanDuration;
use transom_model::cloud::{Action, CloudAddress};
use transom_model::id::EnrollmentId;
#[derive(Debug, Subcommand)]
pub(crate) enum Address {
    /// Issue an address. Its password is shown this once.
    Add {
        /// The access key that it is for.
        #[arg(long, value_name = "ID")]
        key: String,
        /// listen waits for connections (a device); connect opens them (a viewer).
        #[arg(long, value_name = "ACTION")]
        action: Action,
        /// What people call it.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// A group that a connect address is a member of; may be given 16 times.
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// A group that a listen address lets in; may be given 24 times. Without any and without --allow-address, every
        /// connect address of its key may connect.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// An address that a listen address lets in; may be given 8 times.
        #[arg(long = "allow-address", value_name = "A")]
        allow_addresses: Vec<String>,
    },
    /// List addresses.
    List {
        /// Only those that a device is joined under.
        #[arg(long)]
        online: bool,
        /// Only those of this project.
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Only those of this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
        /// Only those whose names hold this text.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Only those that are members of this group, or let it in.
        #[arg(long, value_name = "G")]
        group: Option<String>,
    },
    /// Show an address, and the device at it.
    Show {
        /// The address.
        address: CloudAddress,
    },
    /// Change an address: only what is named changes. What is no longer allowed ends.
    Set {
        /// The address.
        address: CloudAddress,
        /// What people call it; "" clears it.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// listen or connect; the lists of the other action are dropped.
        #[arg(long, value_name = "ACTION")]
        action: Option<Action>,
        /// The groups that a connect address is a member of, instead of those it has; "" alone clears them.
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// The groups that a listen address lets in, instead of those it has; "" alone clears them.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// The addresses that a listen address lets in, instead of those it has; "" alone clears them.
        #[arg(long = "allow-address", value_name = "A")]
        allow_addresses: Vec<String>,
    },
    /// Give an address another password, which is shown this once.
    Reset {
        /// The address.
        address: CloudAddress,
    },
    /// Remove an address for good: it is never issued again.
    Remove {
        /// The address.
        address: CloudAddress,
    },
    /// Have consoles know the device by the key that it shows now, as after it was reinstalled: its password stays.
    AcceptKey {
        /// The address.
        address: CloudAddress,
        /// The key, as the device's agent prints it; without it, the one that the device shows.
        #[arg(long, value_name = "KEY")]
        device_key: Option<PublicKey>,
    },
    /// Move an address to another access key, as when its own was lost.
    Move {
        /// The address.
        address: CloudAddress,
        /// The access key.
        #[arg(long, value_name = "ID")]
        to_key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repeater {
    /// Issue a ticket, which is shown this once: a device joins under the listen address with it
    /// (x11vnc, UltraVNC). It replaces the address's earlier ticket.
    Ticket {
        /// The listen address.
        address: CloudAddress,
        /// Issue a number, for software that takes nothing else (UltraVNC). It is easier to guess.
        #[arg(long)]
        numeric: bool,
    },
    /// Revoke an address's ticket, and disconnect the device that waits under it.
    Revoke {
        /// The listen address.
        address: CloudAddress,
    },
    /// Issue a number with which a viewer opens the device, once, within 5 minutes: the number
    /// alone on stdout.
    Viewer {
        /// The listen address.
        address: CloudAddress,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enrollment {
    /// Make enrollment tokens: a device that starts with `transom agent --enroll TOKEN` gets a listen address of its own. Each
    /// is shown this once and works once.
    Add {
        /// The access key that the addresses will belong to.
        #[arg(long, value_name = "ID", required_unless_present = "replace")]
        key: Option<String>,
        /// How many, at most 500.
        #[arg(long, value_name = "N", conflicts_with_all = ["name", "names", "replace"], allow_negative_numbers = true,
            value_parser = clap::value_parser!(u32).range(1..=500))]
        count: Option<u32>,
        /// What the device will be called.
        #[arg(long, value_name = "N", conflicts_with_all = ["names", "replace"])]
        name: Option<String>,
        /// A file with the devices' names, one a line, at most 500; - reads them from standard input. Printed are the lines of a
        /// CSV file: name,id,token.
        #[arg(long, value_name = "FILE", conflicts_with = "replace")]
        names: Option<PathBuf>,
        /// The device that comes takes the place of the one at this address: name, groups, instances and history stay, and the
        /// one that is there is sent away.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "allow_groups")]
        replace: Option<CloudAddress>,
        /// A group that the addresses will let in; may be given 24 times. Without any, every connect address of the key may connect.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// How long devices may come with them, such as 1h, 7d.
        #[arg(long, value_name = "T", default_value = "24h", allow_hyphen_values = true)]
        ttl: HumanDuration,
    },
    /// List enrollments: which tokens are still open, and which address came of which.
    List {
        /// Only those of this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
    },
    /// Revoke an unused enrollment token.
    Revoke {
        /// The enrollment's id.
        id: EnrollmentId,
    },
}

//! Cloud addresses, repeater tickets and enrollments.

use std::path::PathBuf;

use clap::Subcommand;
use transom_agent::PublicKey;
use transom_config::HumanDuration;
use transom_model::cloud::{Action, CloudAddress};
use transom_model::id::EnrollmentId;
#[derive(Debug, Subcommand)]
pub(crate) enum Address {
    /// Issue an address. Its password is shown only once.
    Add {
        /// The access key that owns the address.
        #[arg(long, value_name = "ID")]
        key: String,
        /// listen: accepts connections (a device); connect: opens them (a viewer).
        #[arg(long, value_name = "ACTION")]
        action: Action,
        /// A display name.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// A group that the connect address belongs to; repeatable, at most 16.
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// A group that may connect to the listen address; repeatable, at most 24. Default, without
        /// --allow-address: every connect address of its key.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// An address that may connect to the listen address; repeatable, at most 8.
        #[arg(long = "allow-address", value_name = "A")]
        allow_addresses: Vec<String>,
    },
    /// List addresses.
    List {
        /// Limit the list to addresses whose device is online.
        #[arg(long)]
        online: bool,
        /// Limit the list to this project.
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Limit the list to this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
        /// Limit the list to names that contain this text.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Limit the list to members of this group and to addresses that allow it.
        #[arg(long, value_name = "G")]
        group: Option<String>,
    },
    /// Show an address and its device.
    Show {
        /// The cloud address.
        address: CloudAddress,
    },
    /// Change the given settings of an address. Sessions that are no longer allowed end.
    Set {
        /// The cloud address.
        address: CloudAddress,
        /// A display name; "" clears it.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// listen or connect. The lists of the other action are removed.
        #[arg(long, value_name = "ACTION")]
        action: Option<Action>,
        /// The groups that the connect address belongs to, replacing the current ones; "" alone
        /// clears them.
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// The groups that may connect to the listen address, replacing the current ones; "" alone
        /// clears them.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// The addresses that may connect to the listen address, replacing the current ones; ""
        /// alone clears them.
        #[arg(long = "allow-address", value_name = "A")]
        allow_addresses: Vec<String>,
    },
    /// Issue a new password for an address. It is shown only once.
    Reset {
        /// The cloud address.
        address: CloudAddress,
    },
    /// Remove an address permanently. It is never issued again.
    Remove {
        /// The cloud address.
        address: CloudAddress,
    },
    /// Accept a device's new key for consoles, for example after it was reinstalled. Its password
    /// stays.
    AcceptKey {
        /// The cloud address.
        address: CloudAddress,
        /// The key, as the device's agent prints it. Default: the key that the device presents.
        #[arg(long, value_name = "KEY")]
        device_key: Option<PublicKey>,
    },
    /// Move an address to another access key, for example because its own was lost.
    Move {
        /// The cloud address.
        address: CloudAddress,
        /// The access key's id.
        #[arg(long, value_name = "ID")]
        to_key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repeater {
    /// Issue a ticket with which a device (x11vnc, UltraVNC) joins at the listen address. The
    /// ticket is shown only once, and replaces the address's earlier one.
    Ticket {
        /// The listen address.
        address: CloudAddress,
        /// Issue a number, for software that accepts nothing else (UltraVNC). A number is easier to
        /// guess.
        #[arg(long)]
        numeric: bool,
    },
    /// Revoke an address's ticket and disconnect its waiting device.
    Revoke {
        /// The listen address.
        address: CloudAddress,
    },
    /// Issue a number with which a viewer connects to the device once, within 5 minutes. Prints
    /// only the number on stdout.
    Viewer {
        /// The listen address.
        address: CloudAddress,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enrollment {
    /// Create enrollment tokens. A device that starts with `transom agent --enroll TOKEN` gets its
    /// own listen address. Each token is shown only once and works once.
    Add {
        /// The access key that will own the addresses.
        #[arg(long, value_name = "ID", required_unless_present = "replace")]
        key: Option<String>,
        /// The number of tokens, at most 500.
        #[arg(long, value_name = "N", conflicts_with_all = ["name", "names", "replace"], allow_negative_numbers = true,
            value_parser = clap::value_parser!(u32).range(1..=500))]
        count: Option<u32>,
        /// The device's name.
        #[arg(long, value_name = "N", conflicts_with_all = ["names", "replace"])]
        name: Option<String>,
        /// File with the devices' names, one per line, at most 500; - reads them from standard
        /// input. Prints CSV: name,id,token.
        #[arg(long, value_name = "FILE", conflicts_with = "replace")]
        names: Option<PathBuf>,
        /// The new device replaces the one at this address: name, groups, instances and history
        /// stay, and the old device is disconnected.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "allow_groups")]
        replace: Option<CloudAddress>,
        /// A group that may connect to the addresses; repeatable, at most 24. Default: every
        /// connect address of the key.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// The tokens' lifetime, such as 1h, 7d.
        #[arg(long, value_name = "T", default_value = "24h", allow_hyphen_values = true)]
        ttl: HumanDuration,
    },
    /// List enrollments, with the addresses that they issued.
    List {
        /// Limit the list to this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
    },
    /// Revoke an unused enrollment token.
    Revoke {
        /// The enrollment's id.
        id: EnrollmentId,
    },
}

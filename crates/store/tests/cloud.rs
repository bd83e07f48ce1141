//! Cloud addresses, on both databases.
#![expect(clippy::unwrap_used, reason = "tests")]

use tokio::task::JoinSet;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{AccessControl, CloudAddress, CloudPassword, DeviceReport, Reach, Verifier};
use transom_model::dialect::Dialect;
use transom_model::id::{NodeId, ProjectId};
use transom_model::instance::Sealed;
use transom_store::{
    AddressQuery, DatabaseUrl, Earlier, Guarded, Joining, NewAccessKey, NewAddress, NewKeySecret, Page,
    Precondition, Scope, Store, StoreError,
};
use uuid::Uuid;

/// The credential of most devices.
const PASSWORD: Joining = Joining::Password { end_to_end_only: false, program: None, report: NOTHING_SAID };
const NOTHING_SAID: DeviceReport =
    DeviceReport { host_name: None, targets: Vec::new(), key: None, run: None };
/// An origin that no test examines.
const NOWHERE: Origin = Origin { source: None, user_agent: None };

struct Installation {
    store: Store,
    project: ProjectId,
    key: AccessKeyId,
    _folder: tempfile::TempDir,
}

fn entry(action: AuditAction) -> AuditEntry {
    AuditEntry {
        request: None,
        actor: Actor::Operator,
        dialect: Dialect::VncCloud,
        action,
        target: "address".to_owned(),
        outcome: "ok",
        project: None,
        grant: None,
        session: None,
        detail: None,
        origin: NOWHERE,
    }
}

async fn installations() -> [Installation; 2] {
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    [Installation::open(None).await, Installation::open(Some(postgres)).await]
}

impl Installation {
    async fn open(url: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match url {
            None => DatabaseUrl::sqlite(folder.path().join("transom.db")),
            Some(url) => DatabaseUrl::parse(&url).unwrap(),
        };
        let store = Store::open(&url).await.unwrap();
        let project = ProjectId(Uuid::now_v7());
        store
            .create_project(project, &"lab".parse().unwrap(), &entry(AuditAction::ProjectCreate))
            .await
            .unwrap();
        let installation = Self { store, project, key: AccessKeyId::from_random([1; 22]), _folder: folder };
        installation.key(1).await;
        installation
    }

    async fn key(&self, n: u8) -> AccessKeyId {
        let id = AccessKeyId::from_random([n; 22]);
        let secret = NewKeySecret { id: Uuid::now_v7(), sealed: Sealed(vec![1]) };
        let new = NewAccessKey {
            id: id.clone(),
            project: self.project,
            name: String::new(),
            role: Role::Member,
            secret,
        };
        self.store.create_key(new, &entry(AuditAction::KeyCreate)).await.unwrap();
        id
    }

    fn draft(&self, n: u8) -> NewAddress {
        NewAddress {
            address: CloudAddress::issue(self.project, &self.key, [n; 32]),
            key: self.key.clone(),
            name: None,
            reach: Reach::Listen { access: None },
            verifier: CloudPassword::from_random([n; 40]).verifier([n; 16]),
        }
    }

    async fn issue(&self, n: u8) -> CloudAddress {
        self.store.create_address(self.draft(n), &entry(AuditAction::AddressCreate)).await.unwrap().address
    }

    fn own(&self) -> Scope {
        Scope::Key(self.key.clone())
    }
}

fn reach(groups: &[&str]) -> Reach {
    Reach::Connect { groups: groups.iter().map(|name| name.parse().unwrap()).collect() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_reads_back_as_it_was_written() {
    for installation in installations().await {
        let mut new = installation.draft(1);
        let access = AccessControl {
            groups: vec!["a\0\"ö😀".parse().unwrap()],
            addresses: vec![new.address.clone()],
        };
        new.reach = Reach::Listen { access: Some(access) };
        let made =
            installation.store.create_address(new.clone(), &entry(AuditAction::AddressCreate)).await.unwrap();
        assert_eq!((&made.address, &made.reach, made.version), (&new.address, &new.reach, 1));
        assert_eq!(made.project, installation.project);
        let (read, verifier) = installation.store.standing_address(&new.address).await.unwrap().unwrap();
        assert_eq!((read, verifier), (made, new.verifier));
        let other = Scope::Key(installation.key(2).await);
        assert_eq!(installation.store.address(&other, &new.address).await.unwrap(), None);
        assert!(
            installation
                .store
                .address(&Scope::Project(installation.project), &new.address)
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_x7_a_removed_address_is_gone_and_never_issued_again() {
    for installation in installations().await {
        let address = installation.issue(1).await;
        for expected in [Guarded::Done(()), Guarded::Missing] {
            let audit = entry(AuditAction::AddressRemove);
            let removed =
                installation.store.remove_address(&Scope::All, &address, Precondition::Any, &audit).await;
            assert_eq!(removed.unwrap(), expected);
        }
        assert_eq!(installation.store.address(&Scope::All, &address).await.unwrap(), None);
        let again = installation
            .store
            .create_address(installation.draft(1), &entry(AuditAction::AddressCreate))
            .await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l8_l9_numbers_rise_in_the_order_of_commits_and_a_page_follows_a_removed_anchor() {
    for installation in installations().await {
        let mut racing = JoinSet::new();
        for n in 1..=24 {
            let (store, new) = (installation.store.clone(), installation.draft(n));
            racing.spawn(async move {
                store.create_address(new, &entry(AuditAction::AddressCreate)).await.unwrap()
            });
        }
        racing.join_all().await;
        let all = installation.store.key_addresses(&installation.key, 0, 99).await.unwrap();
        assert_eq!(all.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=24).collect::<Vec<_>>());
        let (anchor, address) = &all[9];
        let audit = entry(AuditAction::AddressRemove);
        installation
            .store
            .remove_address(&installation.own(), address, Precondition::Any, &audit)
            .await
            .unwrap();
        let rest = installation.store.key_addresses(&installation.key, *anchor, 99).await.unwrap();
        assert_eq!(rest, all[10..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_p9_one_of_several_operations_on_one_version_succeeds() {
    for installation in installations().await {
        let address = installation.issue(1).await;
        let mut racing = JoinSet::new();
        for n in 0..16_u8 {
            let (store, scope, address) = (installation.store.clone(), installation.own(), address.clone());
            racing.spawn(async move {
                let (condition, audit) = (Precondition::OneOf(vec![1]), entry(AuditAction::AddressChange));
                if n % 2 == 0 {
                    store.change_address(&scope, &address, reach(&["a"]), condition, &audit).await
                } else {
                    let verifier = CloudPassword::from_random([n; 40]).verifier([n; 16]);
                    store.reset_address(&scope, &address, verifier, condition, &audit).await
                }
            });
        }
        let (mut done, mut stale) = (0, 0);
        for outcome in racing.join_all().await {
            match outcome.unwrap() {
                Guarded::Done(record) => {
                    assert_eq!(record.version, 2);
                    done += 1;
                }
                Guarded::Stale => stale += 1,
                Guarded::Missing => panic!("it is there"),
            }
        }
        assert_eq!((done, stale), (1, 15));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_change_is_in_force_when_every_living_node_enforces_it() {
    for installation in installations().await {
        let life = async || {
            let id = NodeId(Uuid::now_v7());
            installation.store.register_node(id, "1.2.3", Earlier::Unknown).await.unwrap().unwrap()
        };
        let (one, two) = (life().await, life().await);
        let address = installation.issue(1).await;
        let in_force =
            async || installation.store.address_in_force(&installation.own(), &address).await.unwrap();
        assert_eq!(in_force().await, Some(true), "a new address is in force at once");
        let audit = entry(AuditAction::AddressChange);
        let scope = installation.own();
        installation
            .store
            .change_address(&scope, &address, reach(&[]), Precondition::Any, &audit)
            .await
            .unwrap();
        assert_eq!(in_force().await, Some(false));
        let revision = installation.store.revision().await.unwrap();
        installation.store.note_enforced(one, revision).await.unwrap();
        assert_eq!(in_force().await, Some(false));
        installation.store.note_enforced(two, revision).await.unwrap();
        assert_eq!(in_force().await, Some(true));
        // Nodes that are stopping or gone do not count.
        installation
            .store
            .change_address(&scope, &address, reach(&[]), Precondition::Any, &audit)
            .await
            .unwrap();
        let revision = installation.store.revision().await.unwrap();
        installation.store.note_enforced(one, revision).await.unwrap();
        assert_eq!(in_force().await, Some(false));
        installation.store.retire_node(two).await.unwrap();
        assert_eq!(in_force().await, Some(true));
        let other = Scope::Key(AccessKeyId::from_random([9; 22]));
        assert_eq!(installation.store.address_in_force(&other, &address).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_join_wins_and_a_reset_invalidates_earlier_proofs() {
    for installation in installations().await {
        let (node, address) = (NodeId(Uuid::now_v7()), installation.issue(1).await);
        let online = AddressQuery { online: true, ..AddressQuery::default() };
        let online = async || installation.store.addresses(&online, Page::first(9)).await.unwrap().len();
        let joined = async |version| {
            let joined =
                installation.store.join_address(&address, version, node, PASSWORD, &NOWHERE).await.unwrap();
            joined.map(|joined| joined.epoch)
        };
        assert_eq!(joined(1).await, Some(1));
        assert_eq!(joined(1).await, Some(2));
        assert!(!installation.store.leave_address(&address, 1).await.unwrap(), "it was superseded");
        assert_eq!(online().await, 1);
        assert!(installation.store.leave_address(&address, 2).await.unwrap());
        assert_eq!(online().await, 0);
        let (verifier, audit) = (installation.draft(2).verifier, entry(AuditAction::AddressReset));
        let reset = installation
            .store
            .reset_address(&installation.own(), &address, verifier, Precondition::Any, &audit)
            .await;
        assert!(matches!(reset.unwrap(), Guarded::Done(record) if record.version == 2));
        assert_eq!(joined(1).await, None);
        assert_eq!(joined(2).await, Some(3));
        installation.store.register_node(node, "1.2.3", Earlier::Unknown).await.unwrap().unwrap();
        assert_eq!(online().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_address_belongs_to_the_other_key_and_is_last_in_its_list() {
    for installation in installations().await {
        let address = installation.issue(1).await;
        let to = installation.key(2).await;
        let audit = entry(AuditAction::AddressMove);
        let moved =
            installation.store.move_address(&installation.own(), &address, &to, &audit).await.unwrap();
        assert!(matches!(moved, Guarded::Done(record) if record.key == to && record.version == 2));
        assert_eq!(installation.store.address(&installation.own(), &address).await.unwrap(), None);
        assert_eq!(installation.store.key_addresses(&to, 0, 9).await.unwrap(), [(1, address.clone())]);
        let nobody = AccessKeyId::from_random([9; 22]);
        let refused = installation.store.move_address(&Scope::All, &address, &nobody, &audit).await;
        assert!(matches!(refused, Err(StoreError::NotFound(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_of_a_device_is_trusted_until_a_reset_or_the_addresss_removal() {
    for installation in installations().await {
        let address = installation.issue(1).await;
        let (old, new) = (installation.draft(1).verifier, installation.draft(2).verifier);
        let shows = async |password: &Verifier, key: &str| {
            installation.store.device_key(&address, password, key).await.unwrap()
        };
        let (one, two) = tokio::join!(shows(&old, "one"), shows(&old, "two"));
        assert!(one.is_some() && one == two, "one of them was the first");
        assert_eq!(shows(&old, "three").await, one);
        assert_eq!(shows(&new, "three").await, None, "it is not the password");
        let (condition, audit) = (Precondition::Any, entry(AuditAction::AddressReset));
        installation
            .store
            .reset_address(&installation.own(), &address, new.clone(), condition, &audit)
            .await
            .unwrap();
        assert_eq!(shows(&old, "one").await, None);
        assert_eq!(shows(&new, "three").await.as_deref(), Some("three"));
        let audit = entry(AuditAction::AddressRemove);
        installation
            .store
            .remove_address(&installation.own(), &address, Precondition::Any, &audit)
            .await
            .unwrap();
        assert_eq!(shows(&new, "three").await, None);
    }
}

//! What a registry renders, by a strict parser.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use dynaphore::{KeyedSemaphore, LeasePool, Semaphore};
use dynaphore_metrics::Registry;
use tokio_test::{assert_pending, assert_ready, task::spawn};

mod common;
use common::{Exposition, parse};

fn semaphore(max: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::builder(max).stats(true).build())
}

#[test]
fn an_empty_registry_is_an_end() {
    assert!(parse(&Registry::new().render()).0.is_empty());
}

#[test]
fn a_semaphore_tells_its_counts_and_how_requests_end() {
    let jobs = semaphore(3);
    let registry = Registry::new();
    registry.add("jobs", jobs.clone()).unwrap();
    let held = jobs.try_acquire_many(2).unwrap();
    let mut waiter = spawn(jobs.acquire_many(2));
    assert_pending!(waiter.poll());
    assert!(jobs.try_acquire().is_err());
    let soon = Duration::from_millis(1);
    assert!(jobs.blocking_acquire_timeout(soon).is_err());

    let text = parse(&registry.render());
    let get = |text: &Exposition, name: &str, more: &[(&str, &str)]| {
        let labels: Vec<_> = [("name", "jobs")]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        text.get(&format!("dynaphore_permit_{name}"), &labels)
    };
    assert_eq!(get(&text, "count", &[("state", "used")]), Some(2.0));
    assert_eq!(get(&text, "count", &[("state", "idle")]), Some(1.0));
    assert_eq!(get(&text, "max", &[]), Some(3.0));
    assert_eq!(get(&text, "pending_requests", &[]), Some(1.0));
    assert_eq!(get(&text, "timeouts_total", &[]), Some(1.0));
    assert!(get(&text, "longest_wait_seconds", &[]) >= Some(0.001));
    let outcome = |text: &_, outcome| get(text, "requests_total", &[("outcome", outcome)]);
    assert_eq!(outcome(&text, "acquired"), Some(1.0));
    assert_eq!(outcome(&text, "rejected"), Some(1.0));
    assert_eq!(outcome(&text, "timed_out"), Some(1.0));
    assert_eq!(outcome(&text, "cancelled"), Some(0.0));

    drop(held);
    drop(assert_ready!(waiter.poll()));
    let text = parse(&registry.render());
    assert_eq!(outcome(&text, "acquired"), Some(2.0), "sums, not intervals");
    assert_eq!(outcome(&text, "rejected"), Some(1.0));
    assert_eq!(get(&text, "longest_wait_seconds", &[]), Some(0.0));
    let within = |time, bound| get(&text, &format!("{time}_seconds_bucket"), &[("le", bound)]);
    assert_eq!(within("wait_time", "0.0"), Some(1.0), "served at once");
    assert_eq!(within("wait_time", "0.0005"), Some(1.0));
    assert_eq!(get(&text, "wait_time_seconds_count", &[]), Some(2.0));
    assert!(get(&text, "wait_time_seconds_sum", &[]) >= Some(0.001));
    assert_eq!(get(&text, "use_time_seconds_count", &[]), Some(2.0));
}

#[test]
fn without_statistics_there_are_counts_only() {
    let registry = Registry::new();
    registry.add("jobs", Arc::new(Semaphore::new(3))).unwrap();
    let text = parse(&registry.render());
    assert_eq!(
        text.get("dynaphore_permit_max", &[("name", "jobs")]),
        Some(3.0)
    );
    assert_eq!(text.0.len(), 3);
}

#[test]
fn keys_are_told_of_by_their_classes() {
    let tenants = Arc::new(KeyedSemaphore::<String>::new(2));
    let registry = Registry::new();
    registry
        .add_keyed("tenants", tenants.clone(), |tenant| tenant[..4].to_owned())
        .unwrap();
    let _held = ["free-a", "free-b", "paid-c"].map(|key| tenants.try_acquire(key).unwrap());
    let mut waiter = spawn(tenants.acquire_many("free-b", 2));
    assert_pending!(waiter.poll());
    let text = registry.render();
    assert!(!text.contains("free-a"), "never a key");
    let text = parse(&text);
    let get = |name: &str, class, more: Option<(&str, &str)>| {
        let labels = [("name", "tenants"), ("class", class)];
        let labels: Vec<_> = labels.into_iter().chain(more).collect();
        text.get(&format!("dynaphore_permit_{name}"), &labels)
    };
    let used = Some(("state", "used"));
    assert_eq!(get("keys", "free", None), Some(2.0));
    assert_eq!(get("count", "free", used), Some(2.0));
    assert_eq!(get("max", "free", None), Some(4.0));
    assert_eq!(get("pending_requests", "free", None), Some(1.0));
    assert_eq!(get("count", "paid", used), Some(1.0));
}

/// On 32-bit targets their sum is more than a `usize` holds.
#[test]
fn keys_without_a_limit_are_summed_up() {
    let tenants = Arc::new(KeyedSemaphore::<u8>::new(Semaphore::MAX_PERMITS));
    let registry = Registry::new();
    registry
        .add_keyed("tenants", tenants.clone(), |_| "all")
        .unwrap();
    let _held = [1, 2, 3].map(|key| tenants.try_acquire(&key).unwrap());
    let text = parse(&registry.render());
    let labels = [("name", "tenants"), ("class", "all")];
    let max = text.get("dynaphore_permit_max", &labels).unwrap();
    let sum = Semaphore::MAX_PERMITS.saturating_mul(3);
    assert_eq!(max, sum as f64);
}

#[test]
fn a_pool_tells_its_leases_and_who_waits() {
    let tunnels = LeasePool::<&str>::new();
    let registry = Registry::new();
    registry
        .add_pool("tunnels", tunnels.clone(), |_| "all")
        .unwrap();
    tunnels.set("a", 1);
    let _lease = tunnels.try_acquire().unwrap();
    let mut waiter = spawn(tunnels.acquire());
    assert_pending!(waiter.poll());
    let text = parse(&registry.render());
    let all = [("name", "tunnels"), ("class", "all")];
    assert_eq!(text.get("dynaphore_permit_max", &all), Some(1.0));
    let pending = text.get("dynaphore_permit_pending_requests", &all[..1]);
    assert_eq!(pending, Some(1.0));
}

#[test]
fn any_text_is_a_name() {
    let registry = Registry::new();
    for name in ["", "a\"b\\c\nd", "é }{,=\" 1", "# EOF"] {
        let keyed = Arc::new(KeyedSemaphore::<u8>::new(1));
        let held = keyed.try_acquire(&1).unwrap();
        registry
            .add_keyed(name, keyed.clone(), move |_| name)
            .unwrap();
        let text = parse(&registry.render());
        let labels = [("name", name), ("class", name)];
        assert_eq!(
            text.get("dynaphore_permit_keys", &labels),
            Some(1.0),
            "{name}"
        );
        drop(held);
    }
}

#[test]
fn a_class_is_asked_for_with_no_lock_held() {
    let hosts = Arc::new(KeyedSemaphore::<u32>::builder(2).shards(1).build());
    let registry = Arc::new(Registry::new());
    let held: Vec<_> = (0..100)
        .map(|key| hosts.try_acquire(&key).unwrap())
        .collect();
    let (in_there, of) = (hosts.clone(), Arc::downgrade(&registry));
    registry
        .add_keyed("hosts", hosts.clone(), move |&key| {
            drop(in_there.try_acquire(&key).unwrap());
            let registry = of.upgrade().unwrap();
            assert!(registry.add("hosts", Arc::new(Semaphore::new(1))).is_err());
            "all"
        })
        .unwrap();
    // In another thread, which would hang.
    let text = thread::spawn(move || registry.render()).join().unwrap();
    let labels = [("name", "hosts"), ("class", "all")];
    assert_eq!(
        parse(&text).get("dynaphore_permit_keys", &labels),
        Some(100.0)
    );
    drop(held);
}

/// All names in the dashboard are those of samples that a registry renders.
#[test]
fn the_dashboard_asks_for_what_there_is() {
    let registry = Registry::new();
    registry.add("jobs", semaphore(1)).unwrap();
    let hosts = Arc::new(KeyedSemaphore::<u8>::new(1));
    let _held = hosts.try_acquire(&1).unwrap();
    registry
        .add_keyed("hosts", hosts.clone(), |_| "all")
        .unwrap();
    let text = parse(&registry.render());
    let families = text.0.values();
    let names: Vec<_> = families.flat_map(|family| &family.samples).collect();

    let dashboard = include_str!("../grafana.json");
    let asked: Vec<_> = dashboard.match_indices("dynaphore_permit_").collect();
    assert!(asked.len() > 10);
    for (at, _) in asked {
        let rest = &dashboard[at..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        let name = &rest[..end.unwrap()];
        assert!(names.iter().any(|(of, ..)| of == name), "{name}");
    }
}

#[test]
fn rejections_are_told_beside_a_semaphore_of_their_name() {
    let registry = Registry::new();
    registry.add("jobs", semaphore(1)).unwrap();
    let count = Arc::new(AtomicU64::new(2));
    let counts = count.clone();
    registry
        .add_rejections("jobs", move || {
            let late = counts.load(Relaxed);
            [("late", late), ("say \"no\"\\\n", 1), ("late", 3)]
        })
        .unwrap();
    assert!(registry.add_rejections("jobs", || [("late", 0)]).is_err());
    registry.add_rejections("nothing", || []).unwrap();

    let get = |reason| {
        let text = parse(&registry.render());
        let labels = [("name", "jobs"), ("reason", reason)];
        text.get("dynaphore_permit_rejections_total", &labels)
    };
    assert_eq!(get("late"), Some(5.0), "said twice, added up");
    assert_eq!(get("say \"no\"\\\n"), Some(1.0));
    count.store(7, Relaxed);
    assert_eq!(get("late"), Some(10.0), "asked at each reading");

    assert!(registry.remove("jobs"));
    assert!(!registry.render().contains("jobs"));
    assert!(!registry.remove("jobs"));
}

//! What all adapters have in common: the figures, as calls of somebody else's instruments.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dynaphore::Times;

use crate::{Figures, Registry, Requests};

/// The attributes of a value, by name.
pub(crate) type Attributes = Vec<(&'static str, String)>;

/// Somebody else's instruments, by our names for them.
pub(crate) trait Instruments {
    fn gauge(&mut self, name: &'static str, attributes: Attributes, value: f64);

    /// It has come to `total`, by `more`.
    fn counter(&mut self, name: &'static str, attributes: Attributes, total: u64, more: u64);

    /// `count` more times of so many `seconds`.
    fn times(&mut self, name: &'static str, attributes: &Attributes, seconds: f64, count: u64);

    /// So many more times of no length. They may be very many.
    fn zeros(&mut self, name: &'static str, attributes: &Attributes, count: u64);
}

/// Emits what has changed since it last did.
#[derive(Debug)]
pub(crate) struct Emitter {
    registry: Arc<Registry>,
    before: HashMap<Arc<str>, Arc<Requests>>,
    rejections_before: HashMap<(Arc<str>, &'static str), u64>,
}

impl Emitter {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            before: HashMap::new(),
            rejections_before: HashMap::new(),
        }
    }

    pub(crate) fn emit(&mut self, to: &mut impl Instruments) {
        let (mut before, mut rejections_before) = (HashMap::new(), HashMap::new());
        for figures in self.registry.figures() {
            gauges(&figures, to);
            if let Some(requests) = &figures.requests {
                let last = self.before.remove(&figures.name).unwrap_or_default();
                changes(&figures, requests, &last, to);
                before.insert(Arc::clone(&figures.name), Arc::clone(requests));
            }
            for &(reason, total) in figures.rejections.iter().flatten() {
                let of = (Arc::clone(&figures.name), reason);
                let last = self.rejections_before.remove(&of).unwrap_or_default();
                let attributes = with(&figures, "reason", reason);
                let more = total.saturating_sub(last);
                to.counter("dynaphore.permit.rejections", attributes, total, more);
                rejections_before.insert(of, total);
            }
        }
        (self.before, self.rejections_before) = (before, rejections_before);
    }
}

fn attributes(figures: &Figures) -> Attributes {
    let mut attributes = vec![("name", figures.name.to_string())];
    attributes.extend(
        figures
            .class
            .iter()
            .map(|class| ("class", class.to_string())),
    );
    attributes
}

fn with(figures: &Figures, name: &'static str, value: &str) -> Attributes {
    let mut attributes = attributes(figures);
    attributes.push((name, value.to_owned()));
    attributes
}

fn gauges(figures: &Figures, to: &mut impl Instruments) {
    let all = || attributes(figures);
    if let Some(permits) = figures.permits {
        for (state, count) in [("used", permits.used), ("idle", permits.idle)] {
            let attributes = with(figures, "state", state);
            to.gauge("dynaphore.permit.count", attributes, count as f64);
        }
        to.gauge("dynaphore.permit.max", all(), permits.max as f64);
    }
    if let Some(pending) = figures.pending {
        to.gauge("dynaphore.permit.pending_requests", all(), pending as f64);
    }
    if let Some(wait) = figures.longest_wait {
        to.gauge("dynaphore.permit.longest_wait", all(), wait.as_secs_f64());
    }
    if let Some(keys) = figures.keys {
        to.gauge("dynaphore.permit.keys", all(), keys as f64);
    }
}

fn changes(figures: &Figures, now: &Requests, last: &Requests, to: &mut impl Instruments) {
    let all = attributes(figures);
    for ((outcome, total), (_, before)) in now.outcomes().into_iter().zip(last.outcomes()) {
        let attributes = with(figures, "outcome", outcome);
        // Less than before: it is another one by the same name.
        let more = total.saturating_sub(before);
        to.counter("dynaphore.permit.requests", attributes, total, more);
    }
    let more = now.timed_out.saturating_sub(last.timed_out);
    to.counter(
        "dynaphore.permit.timeouts",
        all.clone(),
        now.timed_out,
        more,
    );

    let zeros = now.at_once().saturating_sub(last.at_once());
    to.zeros("dynaphore.permit.wait_time", &all, zeros);
    for (time, count) in since(&now.waits, &last.waits) {
        to.times(
            "dynaphore.permit.wait_time",
            &all,
            time.as_secs_f64(),
            count,
        );
    }
    for (time, count) in since(&now.holds, &last.holds) {
        to.times("dynaphore.permit.use_time", &all, time.as_secs_f64(), count);
    }
}

/// By how much the buckets have grown.
fn since<'a>(now: &'a Times, last: &'a Times) -> impl Iterator<Item = (Duration, u64)> + 'a {
    let mut last = last.buckets().peekable();
    now.buckets().filter_map(move |(time, count)| {
        while last.next_if(|&(earlier, _)| earlier < time).is_some() {}
        let before = last.next_if(|&(same, _)| same == time);
        let more = count.saturating_sub(before.map_or(0, |(_, count)| count));
        (more > 0).then_some((time, more))
    })
}

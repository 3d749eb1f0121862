//! What all adapters have in common: the figures, as calls of somebody else's instruments.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use dynaphore::Times;

use crate::{Figures, Registry, Requests};

/// The attributes of a value, by name.
pub(crate) type Attributes = Vec<(&'static str, String)>;

/// Somebody else's instruments, by our names for them.
pub(crate) trait Instruments {
    fn gauge(&mut self, name: &'static str, attributes: Attributes, value: f64);

    /// There are `more`.
    fn counter(&mut self, name: &'static str, attributes: Attributes, more: u64);

    /// `count` more times of so many `seconds`.
    fn times(&mut self, name: &'static str, attributes: &Attributes, seconds: f64, count: u64);
}

/// Emits what has changed since it last did.
#[derive(Debug)]
pub(crate) struct Emitter {
    registry: Arc<Registry>,
    /// What has been told of each source, whatever its name.
    requests: HashMap<u64, Arc<Requests>>,
    rejections: HashMap<(u64, &'static str), u64>,
    gauges: HashSet<(&'static str, Attributes)>,
}

impl Emitter {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            requests: HashMap::new(),
            rejections: HashMap::new(),
            gauges: HashSet::new(),
        }
    }

    pub(crate) fn emit(&mut self, to: &mut impl Instruments) {
        let mut told = Self::new(Arc::clone(&self.registry));
        for figures in self.registry.figures() {
            for (name, attributes, value) in gauges(&figures) {
                to.gauge(name, attributes.clone(), value);
                told.gauges.insert((name, attributes));
            }
            if let Some(requests) = &figures.requests {
                // Before it is told: whoever panics there is told nothing twice.
                let last = self.requests.insert(figures.source, Arc::clone(requests));
                changes(&figures, requests, &last.unwrap_or_default(), to);
                told.requests.insert(figures.source, Arc::clone(requests));
            }
            for &(reason, total) in figures.rejections.iter().flatten() {
                let of = (figures.source, reason);
                let last = self.rejections.insert(of, total).unwrap_or_default();
                let attributes = with(&figures, "reason", reason);
                let more = total.saturating_sub(last);
                to.counter("dynaphore.permit.rejections", attributes, more);
                told.rejections.insert(of, total);
            }
        }
        // Who records them goes on telling the last value of each that it has been told.
        for (name, attributes) in self.gauges.difference(&told.gauges) {
            to.gauge(name, attributes.clone(), 0.0);
        }
        *self = told;
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

fn gauges(figures: &Figures) -> Vec<(&'static str, Attributes, f64)> {
    let all = || attributes(figures);
    let mut gauges = Vec::new();
    if let Some(permits) = figures.permits {
        for (state, count) in [("used", permits.used), ("idle", permits.idle)] {
            let attributes = with(figures, "state", state);
            gauges.push(("dynaphore.permit.count", attributes, count as f64));
        }
        gauges.push(("dynaphore.permit.max", all(), permits.max as f64));
    }
    if let Some(pending) = figures.pending {
        gauges.push(("dynaphore.permit.pending_requests", all(), pending as f64));
    }
    if let Some(wait) = figures.longest_wait {
        gauges.push(("dynaphore.permit.longest_wait", all(), wait.as_secs_f64()));
    }
    if let Some(keys) = figures.keys {
        gauges.push(("dynaphore.permit.keys", all(), keys as f64));
    }
    gauges
}

fn changes(figures: &Figures, now: &Requests, last: &Requests, to: &mut impl Instruments) {
    let all = attributes(figures);
    for ((outcome, total), (_, before)) in now.outcomes().into_iter().zip(last.outcomes()) {
        let attributes = with(figures, "outcome", outcome);
        to.counter("dynaphore.permit.requests", attributes, total - before);
    }
    let more = now.timed_out - last.timed_out;
    to.counter("dynaphore.permit.timeouts", all.clone(), more);

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

#[cfg(test)]
mod tests;

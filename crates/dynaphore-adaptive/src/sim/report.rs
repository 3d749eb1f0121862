//! draft
use super::{peers, scenario::{self, Aim, Scenario}, world::{self, DEADLINE, Run}};
use crate::*;

fn controllers() -> Vec<Box<dyn Fn() -> Box<dyn Controller>>> {
    vec![
        Box::new(|| Box::new(Gradient::default())),
        Box::new(|| Box::new(Vegas::default())),
        Box::new(|| Box::new(Aimd::default())),
        Box::new(|| Box::new(QueueDelay::default())),
        Box::new(|| Box::new(peers::NetflixVegas::new())),
        Box::new(|| Box::new(peers::NetflixGradient2::new())),
        Box::new(|| Box::new(peers::Envoy::new())),
    ]
}

fn goodput(run: &Run, (from, to): (f64, f64)) -> f64 {
    run.ended.iter().filter(|e| e.at >= from && e.at < to && e.took.is_some_and(|t| t <= DEADLINE)).count() as f64 / (to - from)
}

fn quantile(run: &Run, (from, to): (f64, f64), q: f64) -> f64 {
    let mut t: Vec<f64> = run.ended.iter().filter(|e| e.at >= from && e.at < to).filter_map(|e| e.took).collect();
    t.sort_by(f64::total_cmp);
    if t.is_empty() { return f64::NAN }
    t[((t.len() - 1) as f64 * q) as usize]
}

fn mean_max(log: &[(f64, u32)], from: f64, to: f64) -> f64 {
    let mut sum = 0.0;
    for (i, (at, max)) in log.iter().enumerate() {
        let next = log.get(i + 1).map_or(to, |n| n.0);
        let (a, b) = (at.max(from), next.min(to));
        if b > a { sum += (b - a) * f64::from(*max) }
    }
    sum / (to - from)
}

const STATIC: [u32; 14] = [4, 6, 8, 10, 12, 15, 18, 20, 22, 25, 30, 40, 60, 100];

/// draft
pub fn report(only: Option<&str>) {
    for s in scenario::all() {
        if only.is_some_and(|o| !s.name.contains(o)) { continue }
        let clients = s.clients.len() as u32;
        let best = STATIC.iter().filter(|m| std::env::var_os("ONLY").is_none() || **m == if s.name == "half the server" { 10 } else { 20 }).map(|m| (goodput(&world::run(&s, (*m / clients).max(1), &|| Box::new(Fixed)), s.measured), *m)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let calm = quantile(&world::run(&s.calm(), 20, &|| Box::new(Fixed)), (0.0, 1e9), 0.99);
        println!("== {}: best static {} {:.1}; calm p99 {:.0} ms", s.name, best.1, best.0, calm * 1e3);
        for c in controllers().into_iter().take(std::env::var("ONLY").map_or(9, |n| n.parse().unwrap())) {
            let run = world::run(&s, s.max, &*c);
            let g = goodput(&run, s.measured);
            let log = &run.max[0];
            let per: Vec<f64> = (0..clients as usize).map(|c| run.ended.iter().filter(|e| e.client == c && e.at >= s.measured.0 && e.took.is_some_and(|t| t <= DEADLINE)).count() as f64).collect();
            let jain = per.iter().sum::<f64>().powi(2) / (clients as f64 * per.iter().map(|x| x * x).sum::<f64>());
            let rejected = run.ended.iter().filter(|e| e.took.is_none() && e.at >= s.measured.0 && e.at < s.measured.1).count();
            let probed = run.ended.iter().filter(|e| e.probed).count();
            let last: Vec<String> = run.max.iter().map(|l| format!("{:.1}", mean_max(l, s.measured.0, s.measured.1))).collect();
            let aim = match s.aim {
                Aim::Settles => { let w: Vec<f64> = log.iter().skip(50).take(50).map(|l| f64::from(l.1)).collect(); format!("w50-100 {:.1} ({:.0}..{:.0})", w.iter().sum::<f64>() / w.len() as f64, w.iter().copied().fold(1e9, f64::min), w.iter().copied().fold(0.0, f64::max)) }
                Aim::NotAbove(a, b) => format!("before {:.1} during {:.1} after {:.1}", mean_max(log, a - 60.0, a), mean_max(log, b-120.0, b), mean_max(log, b, b + 60.0)),
                Aim::Unchanged(a, b) => format!("before {:.1} after {:.1}", mean_max(log, a+1.0, a+1.01), mean_max(log, b-0.1, b)),
                _ => String::new(),
            };
            println!("{:18} good {:5.1}% p50 {:4.0} p99 {:4.0} rej {:6} probe {:5} jain {:.3} max {} {}", c().name(), g / best.0 * 100.0, quantile(&run, s.measured, 0.5) * 1e3, quantile(&run, s.measured, 0.99) * 1e3, rejected, probed, jain, last.join("/"), aim);
        }
    }
}

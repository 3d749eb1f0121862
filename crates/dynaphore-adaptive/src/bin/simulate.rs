fn main() {
    dynaphore_adaptive::sim::report(std::env::args().nth(1).as_deref());
}

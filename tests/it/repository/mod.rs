//! Rules of the source tree that the compiler does not check: which module may use which, what the core may use, and
//! that comments cite what is there.
mod circles;
mod citations;
mod core_purity;
mod heads;
mod layers;
mod paths;
mod sources;

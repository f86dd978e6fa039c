//! What Keystone, Magnum, Heat and Nova answer: the first byte chooses the status, the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/openstack_bodies/drive.rs"]
mod drive;

const STATUSES: [u16; 8] = [200, 200, 200, 200, 302, 401, 404, 503];

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let status = STATUSES[usize::from(*first) % STATUSES.len()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    for told in runtime.block_on(drive::drive(status, body)) {
        // What a success holds is data, and may be anybody's name.
        for secret in drive::SECRETS.iter().filter(|_| status >= 300) {
            assert!(!told.contains(secret), "{told}");
        }
    }
});

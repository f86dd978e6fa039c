//! Whatever a service answers, nothing panics, no error is endless, and none shows a secret.

mod drive;

use std::{fs, path::Path};

use drive::{SECRETS, drive};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

/// The bodies that real services answered.
fn recorded() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let body = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        let (_, answer) = text.rsplit_once("\nHTTP/1.1 ")?;
        let (_, body) = answer.split_once("\n\n")?;
        serde_json::from_str(body).ok()
    };
    let bodies: Vec<Value> = files.iter().filter_map(|file| body(file)).collect();
    assert!(bodies.len() > 50, "only {} bodies were found", bodies.len());
    bodies
}

/// What stands in the place of something else.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("plantedPassword")),
        Just(json!("bearer plantedToken, expected a word")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[{"a": 1e300}]]])),
        Just(json!("x".repeat(300))),
    ]
}

/// All the places in a value.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(field, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        _ => {}
    }
}

fn change(value: &mut Value, place: Index, odd: Value) {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    if let Some(place) = value.pointer_mut(&all[place.index(all.len())]) {
        *place = odd;
    }
}

fn statuses() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![
        200, 200, 200, 200, 201, 202, 204, 300, 302, 307, 400, 401, 403, 404, 406, 409, 500, 503,
    ])
}

fn check(status: u16, body: &[u8]) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    for told in runtime.block_on(drive(status, body)) {
        assert!(told.chars().count() < 6000, "{} characters: {told:.300}", told.chars().count());
        // What a success holds is data, and may be anybody's name.
        for secret in SECRETS.iter().filter(|_| status >= 300) {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

/// `PROPTEST_CASES` asks for more than what a run of the whole suite has time for.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recorded_answers_with_odd_values_are_survived(
        body in prop::sample::select(recorded()),
        changes in prop::collection::vec((any::<Index>(), odd()), 0..4),
        status in statuses(),
    ) {
        let mut body = body;
        for (place, odd) in changes {
            change(&mut body, place, odd);
        }
        check(status, body.to_string().as_bytes());
    }

    #[test]
    fn cut_and_spoilt_answers_are_survived(
        body in prop::sample::select(recorded()),
        end in any::<Index>(),
        spoilt in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        status in statuses(),
    ) {
        let mut body = body.to_string().into_bytes();
        body.truncate(end.index(body.len() + 1));
        for (place, byte) in spoilt {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        check(status, &body);
    }

    #[test]
    fn anything_at_all_is_survived(body in prop::collection::vec(any::<u8>(), 0..300), status in statuses()) {
        check(status, &body);
    }
}

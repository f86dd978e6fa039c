use super::*;

fn values(text: &str) -> Vec<(String, Option<String>)> {
    parse(text)
        .unwrap()
        .into_iter()
        .filter_map(|entry| Some((format!("{}.{}", entry.section, entry.key?), entry.value)))
        .collect()
}

#[test]
fn values_are_read_as_gcfg_reads_them() {
    for (line, expected) in [
        ("password=abc", Some("abc")),
        ("Password = abc ", Some("abc")),
        ("password=a b\tc  ", Some("a b\tc")),
        ("password=abc;def", Some("abc")),
        ("password=abc # comment", Some("abc")),
        (r#"password="a;b#c" ; comment"#, Some("a;b#c")),
        (r#"password="  a " "#, Some("  a ")),
        (r#"password=a"b c"d"#, Some("ab cd")),
        (r#"password="a\"b\\c\td\ne""#, Some("a\"b\\c\td\ne")),
        (r#"password=a\"b"#, Some("a\"b")),
        ("password=a\\\n  b", Some("a  b")),
        ("password=", Some("")),
        ("password=\"\"", Some("")),
        ("password=a=b", Some("a=b")),
        ("password=ünïcödé", Some("ünïcödé")),
        ("password", None),
        ("password # nothing", None),
    ] {
        let text = format!("[Global]\n{line}\n");
        let expected = vec![("global.password".to_owned(), expected.map(str::to_owned))];
        assert_eq!(values(&text), expected, "{line}");
        assert_eq!(values(&text.replace('\n', "\r\n")), expected, "{line} with CR");
        assert_eq!(values(&format!("\u{feff}{}", text.trim_end_matches('\n'))), expected, "{line} with BOM");
    }
}

#[test]
fn sections_and_subsections() {
    let entries =
        parse("; x\n[ Global ] # y\nregion=r\n[LoadBalancerClass \"a \\\"b\\\\\"]\nx=1\n[GLOBAL]\n").unwrap();
    let heads: Vec<_> = entries
        .iter()
        .map(|entry| (entry.section.as_str(), entry.subsection.as_deref(), entry.key.as_deref(), entry.line))
        .collect();
    assert_eq!(
        heads,
        [
            ("global", None, None, 2),
            ("global", None, Some("region"), 3),
            ("loadbalancerclass", Some("a \"b\\"), None, 4),
            ("loadbalancerclass", Some("a \"b\\"), Some("x"), 5),
            ("global", None, None, 6),
        ]
    );
}

#[test]
fn a_broken_file_is_told_by_line_and_remedy_and_never_by_value() {
    for (text, line, words) in [
        ("region=r\n", 1, "[Global]"),
        ("[Global]\npassword=\"hunter2\n", 2, "not closed"),
        ("[Global]\npassword=\"hunter2", 2, "rename it"),
        ("[Glo", 1, "rename it"),
        ("[Global\nregion=r\n", 1, "[name]"),
        ("[Global] region=r\n", 1, "line of its own"),
        ("[Global]\n\npassword=hunter2\\d\n", 3, "in quotes"),
        ("[Global]\npassword=\"hunter2\\d\"\n", 2, "\\\\"),
        ("[Global]\nauth_url=x\n", 2, "hyphens"),
        ("[Global]\npassword hunter2\n", 2, "expected ="),
        ("[Global]\n=hunter2\n", 2, "expected a key"),
        ("[Global \"x\nregion=r\n", 1, "not closed"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {}", error.reason);
        assert!(error.reason.contains(words), "{text:?}: {}", error.reason);
        assert!(!error.reason.contains("hunter2"), "{text:?}: {}", error.reason);
    }
}

//! Files and values that cannot be used, what is shown of them, and what changed between two loads.

use super::*;

#[test]
fn files_that_do_not_exist_give_nothing_and_no_warning() {
    let descriptors = load(Path::new("/nowhere"), &[]);
    assert_eq!((descriptors.values.len(), descriptors.warnings()), (0, &[][..]));
    assert!(matches!(descriptors.gateway().unwrap().text, Ok(None)));
    let paths = ["/nowhere/assembly.yaml", "/nowhere/secrets.yaml", "/nowhere/gateway.yaml"];
    assert_eq!(descriptors.paths(), paths.map(PathBuf::from));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_position_and_the_others_count() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("gateway.yaml")).unwrap();
    std::fs::write(folder.path().join("assembly.yaml"), "a: 1\nb: [hunter2").unwrap();
    std::fs::write(folder.path().join("secrets.yaml"), "infra.redis.password: x").unwrap();
    let descriptors = load(folder.path(), &[]);
    let [warning] = descriptors.warnings() else { panic!("{:?}", descriptors.warnings()) };
    let message = warning.to_string();
    let start = format!("{}: is not YAML (line ", folder.path().join("assembly.yaml").display());
    assert!(message.starts_with(&start) && message.ends_with("; nothing is read from it"), "{message}");
    assert!(!message.contains("hunter2"));
    assert_eq!(descriptors.values.len(), 1);
    let gateway = descriptors.gateway().unwrap().text.as_ref().map(Option::is_some);
    assert_eq!(gateway, Err(&FileError::Unreadable("is not a regular file".to_owned())));
}

#[test]
fn a_section_of_the_wrong_type_is_warned_about_once() {
    let descriptors = load_assembly("infra: hunter2\nplatform: {services: {metrics: [hunter2]}}\nports:\n");
    assert_eq!(
        warnings(&descriptors),
        [
            "platform.services.metrics: expected a mapping, got a list; not used",
            "infra: expected a mapping, got a text; not used"
        ]
    );
}

#[test]
fn a_placeholder_is_taken_as_it_stands_with_a_warning() {
    let descriptors = load_assembly("infra: {redis: {host: \"${REDIS_HOST}\", port: \"${REDIS_PORT}\"}}");
    assert_eq!(
        listed_values(descriptors.under_environment()),
        [("REDIS_HOST ${REDIS_HOST}".to_owned(), "assembly.yaml, infra.redis.host")]
    );
    assert_eq!(
        warnings(&descriptors),
        [
            "infra.redis.host: a ${…} that nothing replaces, taken as it stands",
            "infra.redis.port: expected a number, got a text; not used"
        ]
    );
}

#[test]
fn secrets_are_in_no_debug_output() {
    let secret = "hunter2";
    let files = [
        ("secrets.yaml", format!("infra: {{redis: {{password: {secret}}}, postgres: {{password: [{secret}]}}}}")),
        ("assembly.yaml", document("platform.services.metrics.proxy.metrics_auth_header_value", &json!(secret))),
        ("gateway.yaml", format!("redis_url: redis://:{secret}@redis")),
    ];
    let descriptors = load_files(&files.each_ref().map(|(name, text)| (*name, text.as_str())), &[]);
    assert_eq!((descriptors.values.len(), descriptors.warnings().len()), (2, 1));
    assert!(!format!("{descriptors:?}").contains(secret), "{descriptors:?}");
}

#[test]
fn a_warning_is_one_line_whatever_the_path_holds() {
    let warning = DescriptorWarning { file: PathBuf::from("/a\nb"), detail: "is not UTF-8 (byte 3)".to_owned() };
    assert_eq!(warning.to_string(), "/a\u{fffd}b: is not UTF-8 (byte 3)");
}

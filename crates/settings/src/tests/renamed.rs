//! The old name of a renamed setting is rejected with the new name.

use super::{with_environment, with_file};
use crate::renamed::RENAMED;
use crate::*;

#[test]
fn old_name_in_a_file_is_rejected_with_the_new_name() {
    for (section, old, new) in RENAMED {
        let section_header = format!("[{section}]");
        let (header, path) = match section {
            "vendors" => ("[[vendors]]\nid = 'a'\nurl = 'http://a/'", "vendors[0]"),
            _ => (section_header.as_str(), section),
        };
        let file = format!("renamed-{old}");
        let error = with_file(&file, &format!("{header}\n{old} = 1\n")).unwrap_err();
        let text = error.to_string();
        let start = format!("setting {path}.{old} (from ");
        assert!(text.starts_with(&start), "{text}");
        let end = format!("{file}): was renamed, use {path}.{new}");
        assert!(text.ends_with(&end), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn old_name_in_a_variable_is_rejected_with_the_new_name() {
    let in_sections = RENAMED.iter().filter(|(section, ..)| *section != "vendors");
    for (section, old, new) in in_sections {
        let variable = format!("AGGREGATOR__{section}__{old}").to_ascii_uppercase();
        let error = with_environment(&[(&variable, "1")]).unwrap_err();
        let expected = format!(
            "setting {section}.{old} (from {variable} in the environment): was renamed, use {section}.{new}"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn new_names_are_settings_of_the_default_file() {
    for (_, old, new) in RENAMED {
        assert!(DEFAULTS.contains(&format!("\n{new} = ")), "{new}");
        assert!(!DEFAULTS.contains(&format!("\n{old} = ")), "{old}");
    }
}

#[test]
fn old_name_in_another_section_is_unknown() {
    let error = with_environment(&[("AGGREGATOR__WORKER__INTAKE_BATCH", "1")]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("unknown field `intake_batch`"), "{text}");
}

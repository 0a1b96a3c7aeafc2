use outlast_api::ErrorCode;
use outlast_api::types::VerificationSpec;

use super::*;

fn named(args: &[(&str, ServiceValue)]) -> ServiceBlock {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let places = [("samples".to_owned(), "job.toml:9:1".to_owned())].into();
    ServiceBlock { class: "verification".to_owned(), args, places }
}

fn refused(spec: &JobSpec) -> String {
    let error = check(&Registry::builtin(), spec).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadRequest);
    error.message
}

#[test]
fn a_service_is_the_same_on_both_sides_of_the_socket() {
    let api = named(&[
        ("homogeneous", ServiceValue::Boolean(true)),
        ("quizzes", ServiceValue::Number(0.5)),
        ("samples", ServiceValue::Integer(1)),
        ("scheme", ServiceValue::Text("meshed".to_owned())),
        ("trusted", ServiceValue::List(vec!["ab".to_owned()])),
    ]);
    assert_eq!(to_api(of_api(&api)), api);
    let spec = JobSpec { services: vec![api], ..JobSpec::default() };
    assert_eq!(check(&Registry::builtin(), &spec).unwrap().classes(), ["verification"]);
}

#[test]
fn what_is_wrong_is_refused_where_it_was_written() {
    let services = vec![named(&[("samples", ServiceValue::Integer(-1))])];
    assert_eq!(
        refused(&JobSpec { services, ..JobSpec::default() }),
        "job.toml:9:1: `samples` of service `verification`: expected an integer from 0 to 255, \
         found the integer `-1`"
    );
}

#[test]
fn the_short_form_is_the_service_verification() {
    let short = VerificationSpec {
        quorum: Some(3),
        samples: Some(2),
        schedule: Some(Schedule::AllAtOnce),
        max_answers: None,
    };
    let spec = JobSpec { verification: short.clone(), ..JobSpec::default() };
    assert!(check(&Registry::builtin(), &spec).is_ok());
    let none = VerificationSpec { quorum: Some(0), ..VerificationSpec::default() };
    let message = refused(&JobSpec { verification: none, ..JobSpec::default() });
    assert!(message.contains("`replication`"), "{message}");
    // Both forms at once have to say the same.
    let services = vec![named(&[("samples", ServiceValue::Integer(1))])];
    assert_eq!(
        refused(&JobSpec { verification: short, services, ..JobSpec::default() }),
        "`samples` of service `verification` is said twice: `1` (job.toml:9:1) and `2`; leave one of them out"
    );
}

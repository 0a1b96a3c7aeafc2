//! One test for each target, so that they run in parallel and each is named when it fails.

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                outlast_fuzz::test(stringify!($name));
            }
        )*

        #[test]
        fn every_target_has_a_test() {
            let tested = [$(stringify!($name)),*];
            let all: Vec<&str> = outlast_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, tested);
        }
    };
}

targets! {
    job_message job_record cell_output stream greeting tree chunk_list bitmap commitment transfer_request transfer_answer
    config command_line job_file duration size api_json povray_command sweep_command plain_command
    manifest film picture tile comparator compared vo_ticket vo_saved keyring membership swarm peer
    image_file image_sections image_snapshot image_changed image_vdso
    proc_smaps proc_stat proc_status proc_fdinfo proc_timers
}

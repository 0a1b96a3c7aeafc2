use proptest::prelude::*;

use super::*;
use crate::apps::testing::Files;

fn read(files: &[(&str, &str)], argv: &[&str]) -> Result<Settings, OpenError> {
    let files = Files::of(files);
    let mut reader = Reader::new(&files);
    reader.defaults(&[])?;
    reader.arguments(&argv.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
}

fn values(argv: &[&str]) -> Vec<String> {
    let settings = read(&[], argv).unwrap();
    settings.values.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn switches_and_long_names_say_the_same() {
    let pairs: [(&[&str], &[&str]); 8] = [
        (&["+w640", "-H480"], &["Width=640", "HEIGHT=480"]),
        (&["+A0.3"], &["Antialias=On", "Antialias_Threshold=0.3"]),
        (&["+A"], &["Antialias=yes"]),
        (&["-A"], &["Antialias=off"]),
        (&["+FN16", "+UA"], &["Output_To_File=1", "Output_File_Type=N16", "Output_Alpha=true"]),
        (
            &["+KFI2", "+KFF9", "+KI0.5", "+KF2", "+KC"],
            &[
                "Initial_Frame=2",
                "Final_Frame=9",
                "Initial_Clock=0.5",
                "Final_Clock=2",
                "Cyclic_Animation=on",
            ],
        ),
        (
            &["+SR0.25", "+ER10", "+SF3", "+EF0.5"],
            &["Start_Row=0.25", "End_Row=10", "Subset_Start_Frame=3", "Subset_End_Frame=0.5"],
        ),
        (&["a.pov", "+Ob.png"], &["Input_File_Name=\"a.pov\"", "Output_File_Name=b.png"]),
    ];
    for (switches, long) in pairs {
        assert_eq!(values(switches), values(long), "{switches:?}");
    }
}

#[test]
fn the_last_value_counts() {
    assert_eq!(values(&["+W1", "Width=2", "+W3"]), ["Width=3"]);
}

#[test]
fn unknown_options_and_wrong_values_are_named() {
    for (argument, words) in [
        ("+ZZ", "`+ZZ`"),
        ("Foo=3", "`Foo`"),
        ("+Wabc", "Width: expected a whole number, found \"abc\""),
        ("+A-x", "Antialias_Threshold: expected a number"),
        ("Pre_Scene_Command=rm", "Pre_Scene_Command"),
        ("+RFO", "Radiosity_To_File"),
        ("x.ini", "x.ini"),
    ] {
        let error = read(&[], &[argument]).unwrap_err().to_string();
        assert!(error.contains(words), "{argument}: {error}");
    }
}

#[test]
fn what_workers_have_no_use_for_is_left_out_and_said() {
    let settings = read(&[], &["+D", "+P", "+C", "+WT4", "+GIx", "-V"]).unwrap();
    let dropped: Vec<&str> = settings.dropped.iter().copied().collect();
    assert_eq!(
        dropped,
        ["Continue_Trace", "Create_Ini", "Display", "Pause_When_Done", "Work_Threads"]
    );
    assert_eq!(settings.passed().count(), 0);
}

#[test]
fn ini_files_are_found_and_nest_with_sections() {
    let files = [
        ("a.ini", "+W10\nInclude_INI=b.ini[two]\n[x]\nHeight=5"),
        ("b.ini", "[one]\nQuality=1\n[two]\nQuality=2\n"),
        ("lib/c.INI", "Clock=7"),
    ];
    let settings = read(&files, &["a.ini[X]", "+Llib", "c"]).unwrap();
    for (name, value) in [("Width", "10"), ("Height", "5"), ("Quality", "2"), ("Clock", "7")] {
        assert_eq!(settings.text(name), Some(value), "{name}");
    }
}

#[test]
fn ini_files_that_include_themselves_end() {
    let error = read(&[("a.ini", "Include_INI=a.ini")], &["a.ini"]).unwrap_err();
    assert!(error.to_string().contains("deep"), "{error}");
}

#[test]
fn an_error_in_an_ini_file_says_where() {
    let error = read(&[("a.ini", "; x\nWidht=3")], &["a.ini"]).unwrap_err();
    assert_eq!(error.to_string(), "a.ini, line 2: POV-Ray has no option `Widht`");
}

#[test]
fn the_start_up_file_gives_defaults_silently() {
    let ini = "Width=800\nDisplay=On\nLibrary_Path=\"/usr/share/povray-3.7/include\"";
    let files = [("/etc/povray/3.7/povray.ini", ini)];
    let settings = read(&files, &["+H5", "+Lmine/"]).unwrap();
    assert_eq!(settings.int("Width"), Some(800));
    assert!(settings.dropped.is_empty());
    assert_eq!(settings.standard, ["/usr/share/povray-3.7/include"]);
    assert_eq!(settings.library, ["mine"]);
}

proptest! {
    #[test]
    fn any_arguments_are_read_without_panic(argv in prop::collection::vec("[-+]?[A-Za-z0-9_.=\\[\\]\"' é]{0,12}", 0..6)) {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let _ = read(&[("a.ini", "+W3")], &argv);
    }
}

use super::*;
use crate::apps::povray::options::Reader;
use crate::apps::testing::Files;

fn explored(argv: &[&str], files: &[(&str, &str)]) -> Result<Scene, OpenError> {
    let files = Files::of(files);
    let mut reader = Reader::new(&files);
    reader.defaults(&[])?;
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    explore(&reader.arguments(&argv)?, &files, &[])
}

fn staged(scene: &Scene) -> Vec<(&str, &str)> {
    scene.inputs.iter().map(|input| (input.name.as_str(), input.source.as_str())).collect()
}

const STANDARD: &str = "/usr/share/povray-3.7/include";

#[test]
fn what_a_scene_names_is_staged_under_that_name() {
    let scene = explored(
        &["s.pov", "+Llib"],
        &[
            ("s.pov", "#include \"a.inc\" text { ttf \"font\" \"Hello\" } // \"unused.png\""),
            ("lib/a.inc", "image_map { png \"tex/b.png\" } df3 \"./c.df3\""),
            ("lib/tex/b.png", ""),
            ("c.df3", ""),
            ("lib/font.ttf", ""),
            ("unused.png", ""),
        ],
    )
    .unwrap();
    let expected = [
        ("a.inc", "lib/a.inc"),
        ("c.df3", "./c.df3"),
        ("font.ttf", "lib/font.ttf"),
        ("s.pov", "s.pov"),
        ("tex/b.png", "lib/tex/b.png"),
    ];
    assert_eq!(staged(&scene), expected);
    assert_eq!(scene.spoilers, [""; 0]);
}

#[test]
fn names_that_climb_lead_into_the_jobs_folder() {
    let files = [
        ("../s.pov", "\"../t/a.png\" \"x/../../b.png\""),
        ("../t/a.png", ""),
        ("x/../../b.png", ""),
    ];
    let scene = explored(&["+I../s.pov"], &files).unwrap();
    let expected = [
        ("outlast-up/1/2/3/4/5/6/7/b.png", "x/../../b.png"),
        ("outlast-up/1/2/3/4/5/6/7/t/a.png", "../t/a.png"),
        ("s.pov", "../s.pov"),
    ];
    assert_eq!(staged(&scene), expected);
    assert!(scene.folders.iter().any(|folder| folder == "outlast-up/1/2/3/4/5/6/7/8/x"));
    assert!(scene.inputs.iter().all(|input| crate::is_inner_path(&input.name)));
}

#[test]
fn absolute_names_are_refused() {
    let error = explored(&["s.pov"], &[("s.pov", "\"/x/a.png\""), ("/x/a.png", "")]).unwrap_err();
    assert!(error.to_string().contains("/x/a.png"), "{error}");
    let scene = explored(&["/x/s.pov"], &[("/x/s.pov", "sphere {}")]).unwrap();
    assert_eq!(staged(&scene), [("s.pov", "/x/s.pov")]);
}

#[test]
fn missing_includes_are_named_unless_they_may_not_be_needed() {
    let error = explored(&["s.pov"], &[("s.pov", "#include \"a.inc\"")]).unwrap_err().to_string();
    assert!(error.contains("a.inc") && error.contains("s.pov"), "{error}");
    let scene = explored(&["s"], &[("s.pov", "#ifdef (A) #include \"a.inc\" #end")]).unwrap();
    assert!(scene.notes.iter().any(|note| note.contains("a.inc")), "{:?}", scene.notes);
    assert!(explored(&["s.pov"], &[("s.pov", "#include \"colors.inc\"")]).is_ok());
}

#[test]
fn spoilers_are_found_in_the_scene_its_includes_and_behind_installed_names() {
    let installed = format!("{STANDARD}/stones.inc");
    let stones = "#declare T_Grain = finish { crand 0.1 }\n#declare T_Plain = finish { phong 1 }\n\
                  #declare T_Stone = texture { finish { T_Grain } }";
    for (text, spoilers) in [
        ("sphere { texture { T_Plain } }", vec![]),
        ("sphere { texture { T_Stone } }", vec!["the random finish `crand` (by `T_Stone`)"]),
        ("#include \"mine.inc\"", vec!["radiosity"]),
        ("// radiosity\n\"photons\"", vec![]),
        ("light_source { area_light jitter }", vec!["jitter in a light or a medium"]),
        ("media { method 2 }", vec!["a medium sampled at random (method 1 or 2)"]),
        ("media { method 3 } light_source { area_light }", vec![]),
    ] {
        let text = format!("#include \"stones.inc\"\n{text}");
        let files = [
            ("s.pov", text.as_str()),
            ("mine.inc", "global_settings { radiosity { } }"),
            (installed.as_str(), stones),
        ];
        let scene = explored(&["s.pov"], &files).unwrap();
        assert_eq!(scene.spoilers, spoilers, "{text}");
    }
}

#[test]
fn files_with_computed_names_are_taken_from_their_folder() {
    let files = [
        ("s.pov", "png concat(\"img/f\", str(frame_number, -2, 0), \".png\")"),
        ("img/f01.png", ""),
        ("img/f02.png", ""),
        ("img/other.png", ""),
    ];
    let scene = explored(&["s.pov"], &files).unwrap();
    let names: Vec<_> = scene.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["img/f01.png", "img/f02.png", "s.pov"]);
}

use outlast_gridlet::{CommandLine, SourceFiles, SplitHint};

use super::*;

struct NoFiles;

impl SourceFiles for NoFiles {
    fn has_program(&self, _: &str) -> bool {
        true
    }
}

fn sweep() -> std::sync::Arc<dyn ApplicationManager> {
    let registry = crate::apps::registry();
    let command = CommandLine {
        argv: ["/bin/true", "{i}"].map(str::to_owned).into(),
        params: vec![("i".to_owned(), "1..8".to_owned())],
        ..CommandLine::default()
    };
    let hint = SplitHint { slots: 2, gridlets: Some(2) };
    registry.choose(None, &command).unwrap().open(&command, &NoFiles, hint).unwrap()
}

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

#[test]
fn a_story_reads_as_sentences() {
    let manager = sweep();
    let cells: Vec<CellId> = (0..4).map(CellId).collect();
    let names = BTreeMap::from([(node(2), "anna".to_owned())]);
    let subject = Subject {
        job: JobId::from_u64(7),
        gridlet: GridletId(0),
        cells: &cells,
        accepted: 3,
        manager: &*manager,
        me: node(1),
        names: &names,
    };
    let scenes = vec![
        Scene::Granted {
            worker: node(2),
            gridlet: GridletId(9),
            cells: cells.clone(),
            rival: false,
        },
        Scene::Answered {
            worker: node(2),
            class: Class(1),
            cells: [0, 1, 3].map(CellId).into(),
            refuted: false,
        },
        Scene::Sampled { cell: CellId(3), right: vec![Class(0)], wrong: vec![Class(1)] },
        Scene::Wrong { worker: node(2), cells: vec![CellId(3)], proof: Proof::Sample },
        Scene::Accepted {
            cells: cells[..3].to_vec(),
            class: Class(0),
            how: How::Quorum(2),
            by: vec![node(1), node(3)],
        },
    ];
    let why = tell(&subject, &Story { cells: cells.clone(), scenes, cut: false });
    let texts: Vec<&str> = why.scenes.iter().map(|scene| scene.text.as_str()).collect();
    let anna = format!("anna ({})", node(2).short());
    let third = node(3).short().to_string();
    assert_eq!(
        texts,
        [
            format!("{anna} got all 4 cells as part of gridlet 9"),
            format!("{anna} answered B for cells 0-1, 3"),
            "the sample of cell 3 is there: A agrees with it, B contradicts it".to_owned(),
            format!("the answer of {anna} for cell 3 is held wrong: a sample contradicts it"),
            format!("A is accepted for cells 0-2: 2 nodes agree: this node, {third}"),
        ]
    );
    assert_eq!(why.scenes[1].cells, [0, 1, 3]);
    assert_eq!(why.scenes[1].name.as_deref(), Some("anna"));
}

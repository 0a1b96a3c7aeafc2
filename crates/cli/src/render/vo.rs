//! Virtual organisations, as text.

use outlast_api::trust::{VoDetail, VoSummary};
use outlast_api::types::NodeVo;

use super::{CELL_CHARS, Grid, node_name, pairs, short};
use crate::human;

fn rights(rights: &[String]) -> String {
    if rights.is_empty() { "none".to_owned() } else { short(&rights.join(","), CELL_CHARS) }
}

fn until(expires: Option<u64>) -> String {
    expires.map_or_else(|| "-".to_owned(), human::timestamp)
}

/// A membership in a few words: for a node, whose table has little room.
pub(super) fn of_node(vos: &[NodeVo]) -> String {
    if vos.is_empty() {
        return "-".to_owned();
    }
    let names: Vec<&str> = vos.iter().map(|vo| vo.name.as_str()).collect();
    short(&names.join(" "), CELL_CHARS)
}

/// What `status` says of one.
pub(super) fn in_a_line(vo: &VoSummary) -> String {
    let others = if vo.private {
        "nobody else".to_owned()
    } else {
        human::count(vo.members.into(), "other member")
    };
    let end = vo.expires.map(|end| format!(", until {}", human::timestamp(end)));
    let trouble = vo.trouble.as_ref().map(|why| format!("; no member any more: {why}"));
    format!(
        "{} ({}): {}, {others}{}{}",
        vo.name,
        human::short_id(&vo.id),
        rights(&vo.rights),
        end.unwrap_or_default(),
        trouble.unwrap_or_default()
    )
}

/// `vo list`.
pub fn list(vos: &[VoSummary], width: Option<u16>) -> String {
    let mut grid = Grid::new(width, &["KEY", "NAME", "RIGHTS", "MEMBERS", "UNTIL", "STATE"], 1);
    for vo in vos {
        let state = match (&vo.trouble, vo.private) {
            (Some(_), _) => "out",
            (None, true) => "private",
            (None, false) => "member",
        };
        grid.row(vec![
            human::short_id(&vo.id).to_owned(),
            short(&vo.name, CELL_CHARS),
            rights(&vo.rights),
            (vo.members + 1).to_string(),
            until(vo.expires),
            state.to_owned(),
        ]);
    }
    grid.right(&[3]).may_go(&[4, 2]).finish()
}

/// `vo show`.
pub fn detail(vo: &VoDetail, width: Option<u16>) -> String {
    let mut text = String::new();
    let summary = &vo.summary;
    let mut lines = vec![
        ("organisation", format!("{} ({})", summary.name, summary.id)),
        ("rights here", rights(&summary.rights)),
    ];
    if let Some(end) = summary.expires {
        lines.push(("until", human::timestamp(end)));
    }
    if let Some(why) = &summary.trouble {
        lines.push(("no member", why.clone()));
    }
    pairs(&mut text, &lines, width);

    text.push_str("\nmembers\n");
    let mut grid =
        Grid::new(width, &["NODE", "NAME", "RIGHTS", "UNTIL", "ENROLLED BY", "STATE"], 1);
    for member in &vo.members {
        let by = match vo.members.iter().find(|other| other.node == member.enrolled_by) {
            Some(other) => node_name(&other.name, &other.node),
            None if member.enrolled_by == summary.id => "(founder)".to_owned(),
            None => human::short_id(&member.enrolled_by).to_owned(),
        };
        let state = match (&member.trouble, member.myself) {
            (Some(why), _) => short(why, CELL_CHARS),
            (None, true) => "self".to_owned(),
            (None, false) => "member".to_owned(),
        };
        grid.row(vec![
            human::short_id(&member.node).to_owned(),
            short(&member.name, CELL_CHARS),
            rights(&member.rights),
            until(member.expires),
            by,
            state,
        ]);
    }
    text.push_str(&grid.may_go(&[4, 3]).finish());

    if !vo.expelled.is_empty() {
        text.push_str("\nexpelled\n");
        let mut grid = Grid::new(width, &["NODE", "AT", "BY"], 1);
        for out in &vo.expelled {
            let (node, by) = (human::short_id(&out.node), human::short_id(&out.by));
            grid.row(vec![node.to_owned(), human::timestamp(out.at), by.to_owned()]);
        }
        text.push_str(&grid.finish());
    }
    if !vo.invitations.is_empty() {
        text.push_str("\nopen invitations made here\n");
        let mut grid = Grid::new(width, &["INVITATION", "RIGHTS", "UNTIL", "FOR"], 1);
        for open in &vo.invitations {
            let whom = match (&open.only_for, open.reusable) {
                (Some(node), _) => human::short_id(node),
                (None, true) => "any number of nodes",
                (None, false) => "one node",
            };
            grid.row(vec![
                short(&open.id, CELL_CHARS),
                rights(&open.rights),
                human::timestamp(open.expires),
                whom.to_owned(),
            ]);
        }
        text.push_str(&grid.finish());
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use outlast_api::trust::{VoExpelled, VoInvitation, VoMember};

    use super::*;

    fn names(rights: &[&str]) -> Vec<String> {
        rights.iter().map(|&right| right.to_owned()).collect()
    }

    fn lab() -> VoSummary {
        VoSummary {
            id: "ab".repeat(32),
            name: "lab".to_owned(),
            rights: names(&["submit", "execute", "invite", "manage"]),
            members: 1,
            ..VoSummary::default()
        }
    }

    #[test]
    fn a_list() {
        let home = VoSummary {
            id: "cd".repeat(32),
            name: "home-alpha".to_owned(),
            rights: names(&["submit"]),
            private: true,
            ..VoSummary::default()
        };
        let out = VoSummary {
            trouble: Some("expelled".to_owned()),
            expires: Some(86_400),
            ..home.clone()
        };
        expect![[r#"
            KEY         NAME        RIGHTS                        MEMBERS  UNTIL                 STATE
            ababababab  lab         submit,execute,invite,manage        2  -                     member
            cdcdcdcdcd  home-alpha  submit                              1  -                     private
            cdcdcdcdcd  home-alpha  submit                              1  1970-01-02 00:00:00Z  out
        "#]].assert_eq(&list(&[lab(), home, out], None));
    }

    #[test]
    fn all_about_one() {
        let me = VoMember {
            node: "12".repeat(32),
            name: "alpha".to_owned(),
            myself: true,
            rights: names(&["submit", "execute", "invite", "manage"]),
            enrolled_by: "ab".repeat(32),
            ..VoMember::default()
        };
        let other = VoMember {
            node: "34".repeat(32),
            name: "be\u{1b}ta".to_owned(),
            rights: names(&["execute"]),
            expires: Some(1_795_252_579),
            enrolled_by: me.node.clone(),
            ..VoMember::default()
        };
        let former = VoMember {
            node: "56".repeat(32),
            enrolled_by: "78".repeat(32),
            trouble: Some("node 5656565656 was expelled".to_owned()),
            ..VoMember::default()
        };
        let vo = VoDetail {
            summary: lab(),
            members: vec![me.clone(), other, former.clone()],
            expelled: vec![VoExpelled { node: former.node, at: 1_795_252_579, by: me.node }],
            invitations: vec![VoInvitation {
                id: "1122334455".to_owned(),
                rights: names(&["submit", "execute"]),
                expires: 1_795_252_579,
                reusable: true,
                only_for: None,
            }],
        };
        expect![[r#"
            organisation  lab (abababababababababababababababababababababababababababababababab)
            rights here   submit,execute,invite,manage

            members
            NODE        NAME   RIGHTS                        UNTIL                 ENROLLED BY         STATE
            1212121212  alpha  submit,execute,invite,manage  -                     (founder)           self
            3434343434  be�ta  execute                       2026-11-21 09:16:19Z  alpha (1212121212)  member
            5656565656         none                          -                     7878787878          node 5656565656 was expelled

            expelled
            NODE        AT                    BY
            5656565656  2026-11-21 09:16:19Z  1212121212

            open invitations made here
            INVITATION  RIGHTS          UNTIL                 FOR
            1122334455  submit,execute  2026-11-21 09:16:19Z  any number of nodes
        "#]].assert_eq(&detail(&vo, None));
    }
}

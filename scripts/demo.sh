#!/usr/bin/env bash
# Six nodes on this machine render one picture. On the way one of them is killed, one lies all the
# time, and one leaves. The picture has to be, pixel for pixel, what POV-Ray alone draws here.
#
#   scripts/demo.sh            about four minutes on two cores, besides the first build
#   WIDTH=320 HEIGHT=180 scripts/demo.sh          a smaller picture
#
# Needs a network only if something has to be installed. The pictures stay in target/demo/. It
# ends with 0 only if everything went as it should.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly ROOT=$PWD
readonly WIDTH=${WIDTH:-960} HEIGHT=${HEIGHT:-540}
readonly RENDER=(povray +Iscene.pov "+W$WIDTH" "+H$HEIGHT" +A0.3)

# Who takes part, and what becomes of them.
readonly NODES=(home birch cedar crash guest rogue)

# How long anything may take before the demo gives up, in seconds.
readonly PATIENCE_START=30 PATIENCE_RENDER=900

declare -A PID=()
WORK=
RUN_PID=
GUEST_PID=
FAILURES=0

if [ -t 1 ]; then
    BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
    BOLD='' GREEN='' RED='' DIM='' PLAIN=''
fi

say() { printf '%s\n' "$*"; }

title() { printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"; }

# What happens while the picture is rendered, with the time since its submission.
event() { printf '  %s%4d s%s  %s\n' "$DIM" "$((SECONDS - SUBMITTED))" "$PLAIN" "$*"; }

die() {
    printf '%sdemo: %s%s\n' "$RED" "$*" "$PLAIN" >&2
    exit 1
}

# One line of the report: a claim, and whether it holds.
check() {
    if [ "$1" = yes ]; then
        printf '  %s✓%s %s\n' "$GREEN" "$PLAIN" "$2"
    else
        printf '  %s✗ %s%s\n' "$RED" "$2" "$PLAIN"
        FAILURES=$((FAILURES + 1))
    fi
}

# Ends what this script has started, and nothing else.
clean_up() {
    local code=$? name
    trap - EXIT INT TERM
    [ -z "$GUEST_PID" ] || kill -KILL "$GUEST_PID" 2>/dev/null || true
    [ -z "$RUN_PID" ] || kill -KILL "$RUN_PID" 2>/dev/null || true
    for name in "${!PID[@]}"; do
        # A daemon takes its programs with it, however it ends.
        kill -KILL "${PID[$name]}" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    if [ -n "$WORK" ]; then
        # Whoever pressed Ctrl-C has seen enough.
        if [ "$code" -eq 0 ] || [ "$code" -ge 130 ]; then
            rm -rf "$WORK"
        else
            say "what the nodes said is in $WORK/*.log" >&2
        fi
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

outlast() { "$OUTLAST" --data-dir "$WORK/$1" "${@:2}"; }

# Asks home's record of the job: `ask EXPRESSION`, with `job` and `nodes` to look at.
ask() {
    # The two answers are fetched anew each time: what is asked for is what is true now.
    outlast home show "$JOB" --gridlets --json >"$WORK/job.json" || return 1
    outlast home nodes --json >"$WORK/nodes.json" || return 1
    look "$1"
}

# The same, in the answers of the last time.
look() {
    python3 - "$WORK/job.json" "$WORK/nodes.json" "$1" 2>>"$WORK/look.log" <<'PYTHON'
import json, sys

class Fields(dict):
    __getattr__ = dict.__getitem__

def load(path):
    with open(path) as file:
        return json.load(file, object_hook=Fields)

job, nodes = load(sys.argv[1]), load(sys.argv[2])
held = lambda name: [g.id for g in job.gridlets if name in g.running_on]
who = lambda name: next(n for n in nodes if n.name == name)
worker = lambda name: next((w for w in job.workers if w.name == name), Fields(leases=0, answered=0, accepted=0, wrong=0))
count = lambda n, what: f"{n} {what}" if n == 1 else f"{n} {what}s"
answer = eval(sys.argv[3])
if isinstance(answer, bool):
    answer = "yes" if answer else "no"
elif isinstance(answer, (list, tuple)):
    answer = ", ".join(map(str, answer))
print(answer)
PYTHON
}

running() { kill -0 "$RUN_PID" 2>/dev/null; }

start_node() {
    local name=$1 program=("$OUTLAST" --data-dir "$WORK/$1" up)
    [ "$name" != rogue ] || program=("$ROGUE" --data-dir "$WORK/$1" --lie always)
    # One port of the system's choice, on loopback only.
    program+=(--listen 127.0.0.1:0 --slots 1 --name "$name" "${@:2}")
    "${program[@]}" >"$WORK/$name.key" 2>"$WORK/$name.log" &
    PID[$name]=$!
    local deadline=$((SECONDS + PATIENCE_START))
    until [ -s "$WORK/$name.key" ]; do
        kill -0 "${PID[$name]}" 2>/dev/null || die "$name did not start: $(tail -n 3 "$WORK/$name.log")"
        [ "$SECONDS" -lt "$deadline" ] || die "$name isn't up"
        sleep 0.1
    done
}

# ---------------------------------------------------------------------------------------------

say "${BOLD}Outlast: six nodes, one picture; one node is killed, one lies, one leaves.${PLAIN}"

title "Building"
scripts/setup.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
# Release, as users get it: the nodes share two cores with six POV-Rays, and a debug build of hashes,
# picture decoders and QUIC would be measured instead of the grid.
cargo build --release --quiet --package outlast-cli --bin outlast
cargo build --release --quiet --package outlast-tests --bin outlast-rogue
readonly TARGET=${CARGO_TARGET_DIR:-target}
OUTLAST=$(realpath "$TARGET/release/outlast")
ROGUE=$(realpath "$TARGET/release/outlast-rogue")
readonly OUTLAST ROGUE
say "  $("$OUTLAST" --version), $(nproc) cores"

title "Starting six nodes on loopback, each a process with one slot"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/outlast-demo.XXXXXX")
mkdir "$WORK/picture"
cp examples/demo/scene.pov "$WORK/picture/"
start_node home
TICKET=$("$OUTLAST" --data-dir "$WORK/home" --quiet invite --reusable)
for name in "${NODES[@]:1}"; do
    start_node "$name" --join "$TICKET"
done
# Each of them is alive and has measured its speed.
deadline=$((SECONDS + PATIENCE_START))
until [ "$(outlast home nodes --json | python3 -c 'import json, sys
print(sum(n["state"] in ("self", "alive") and n["flops"] > 0 for n in json.load(sys.stdin)))')" -eq ${#NODES[@]} ]; do
    [ "$SECONDS" -lt "$deadline" ] || die "the nodes did not find each other"
    sleep 0.2
done
outlast home nodes | cut -c -70 | sed 's/^/  /; s/ *$//'

title "Rendering: outlast run --preview … -- ${RENDER[*]} +Ogrid.png"
SUBMITTED=$SECONDS
cd "$WORK/picture"
# Not by the function: its number has to be that of the program.
"$OUTLAST" --data-dir "$WORK/home" run --preview preview.png --timeout "${PATIENCE_RENDER}s" --json \
    -- "${RENDER[@]}" +Ogrid.png >"$WORK/run.json" 2>"$WORK/run.log" &
RUN_PID=$!
cd "$ROOT"
deadline=$((SECONDS + PATIENCE_START))
JOB=
while [ -z "$JOB" ]; do
    running || die "the job was not accepted: $(tail -n 3 "$WORK/run.log")"
    [ "$SECONDS" -lt "$deadline" ] || die "the job did not begin"
    JOB=$(outlast home ps --json | python3 -c 'import json, sys
print(next((job["id"] for job in json.load(sys.stdin)), ""))')
done
event "job $JOB: $(ask 'f"{job.summary.gridlets_total} gridlets, {job.summary.cells_total} cells; {job.policy.quorum} nodes have to agree on each"')"
# One look after another until the job ends. Each thing happens once, when its time has come.
KILLED=no LOST=no CAUGHT=no GUEST_LEFT=no HELD='' BEFORE='' TOLD=0
readonly LOOK='" ".join("yes" if x else "no" for x in (
    job.summary.cells_accepted > 0 and held("crash"),
    job.verification.expired_leases > 0,
    who("rogue").blacklisted,
    3 * job.summary.cells_accepted > job.summary.cells_total and held("guest"),
)) + f" {100 * job.summary.cells_accepted // job.summary.cells_total}"'
while running; do
    read -r crash_works lost caught guest_works percent < <(ask "$LOOK") || continue
    if [ "$KILLED" = no ] && [ "$crash_works" = yes ]; then
        kill -KILL "${PID[crash]}"
        wait "${PID[crash]}" 2>/dev/null || true
        unset 'PID[crash]'
        KILLED=yes HELD=$(look 'held("crash")') BEFORE=$(look 'count(job.summary.cells_accepted, "cell")')
        event "${BOLD}SIGKILL${PLAIN} to crash, which holds gridlets $HELD ($BEFORE accepted so far)"
    elif [ "$KILLED" = yes ] && [ "$LOST" = no ] && [ "$lost" = yes ]; then
        LOST=yes
        event "crash is missed: $(look 'count(job.verification.expired_leases, "lease")') lost, the work goes to others"
    fi
    if [ "$CAUGHT" = no ] && [ "$caught" = yes ]; then
        CAUGHT=yes
        event "${BOLD}rogue is caught lying${PLAIN} and gets no more work"
    fi
    if [ "$KILLED" = yes ] && [ -z "$GUEST_PID" ] && [ "$guest_works" = yes ]; then
        event "${BOLD}outlast down${PLAIN} on guest, which holds gridlets $(look 'held("guest")')"
        "$OUTLAST" --data-dir "$WORK/guest" down 2>>"$WORK/guest.log" &
        GUEST_PID=$!
    fi
    if [ "$GUEST_LEFT" = no ] && [ -n "$GUEST_PID" ] && ! kill -0 "$GUEST_PID" 2>/dev/null; then
        GUEST_LEFT=yes
        event "guest has handed back its work and is gone"
    fi
    if [ "$percent" -ge $((TOLD + 20)) ] && [ "$percent" -lt 100 ]; then
        event "$percent % of the picture is accepted"
        TOLD=$percent
    fi
    sleep 0.2
done

RUN_CODE=0
wait "$RUN_PID" || RUN_CODE=$?
RUN_PID=
[ "$RUN_CODE" -eq 0 ] || die "outlast run ended with $RUN_CODE: $(tail -n 3 "$WORK/run.log")"
event "done"
[ "$KILLED" = yes ] || die "crash never held any work, so it was not killed"
[ -n "$GUEST_PID" ] || die "guest never held any work, so it did not leave"
GUEST_LEFT=no
if wait "$GUEST_PID" && wait "${PID[guest]}"; then
    GUEST_LEFT=yes
fi
unset 'PID[guest]'
ask 'True' >/dev/null
GRID_TIME=$(look 'f"{job.summary.elapsed_s:.1f}"')

title "The same picture by POV-Ray alone: ${RENDER[*]} +WT1 +Olocal.png"
START=${EPOCHREALTIME/./}
(cd "$WORK/picture" && "${RENDER[@]}" +WT1 -D -GA +Olocal.png >"$WORK/local.log" 2>&1) ||
    die "POV-Ray failed: $(tail -n 3 "$WORK/local.log")"
LOCAL_TIME=$(((${EPOCHREALTIME/./} - START) / 100000))
LOCAL_TIME=$((LOCAL_TIME / 10)).$((LOCAL_TIME % 10))
SAME=yes
DIFFERENCE=$(python3 scripts/compare-pictures.py "$WORK/picture/local.png" "$WORK/picture/grid.png") || SAME=
mkdir -p "$TARGET/demo"
cp "$WORK/picture/"{grid,local,preview}.png "$TARGET/demo/"
say "  $LOCAL_TIME s"

title "Report: what outlast show says"
outlast home show "$JOB" | sed -n '/^verification/,$p' | sed 's/^/  /'

title "Verdict"
check "$SAME" "$DIFFERENCE between the grid's picture and the local one"
check "$(look 'set(w.name for w in job.wrong) == {"rogue"}')" \
    "caught lying: $(look 'sorted(set(w.name for w in job.wrong)) or "nobody"'); $(look 'count(sum(w.cells for w in job.wrong), "wrong cell")') found, none of it in the picture"
check "$(look 'who("rogue").blacklisted and not any(n.blacklisted for n in nodes if n.name != "rogue")')" \
    "rogue is blacklisted at home, and nobody else is"
check "$(look 'job.verification.expired_leases > 0')" \
    "killed: crash, which held gridlets $HELD; $(look 'count(job.verification.expired_leases, "lease")') lost and done elsewhere, $(look 'count(worker("crash").accepted, "cell")') of it kept"
check "$GUEST_LEFT" "left politely: guest, after $(look 'count(worker("guest").accepted, "cell")') of its work in the picture"
check "$(look 'job.summary.cells_accepted == job.summary.cells_total')" \
    "$(look 'job.summary.cells_accepted') of $(look 'job.summary.cells_total') cells accepted"
say "  time: $GRID_TIME s on the grid, where each cell is computed by two nodes or by home itself; $LOCAL_TIME s by one POV-Ray"
say "  pictures: $TARGET/demo/grid.png, local.png, preview.png"

if [ "$FAILURES" -gt 0 ]; then
    die "$FAILURES of these did not hold"
fi
printf '\n%sAll as it should be.%s\n' "$GREEN" "$PLAIN"

#!/bin/sh
# A plan whose runner is killed half-way: who comes next is kept out as long as a step still works, then carries on where it fell.
#
# Builds `baton` first, unless BATON names one. Everything is set up in a temporary directory and undone again, also when this is
# stopped by Ctrl-C; only what was started here is killed.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${BATON-}" ]; then
    echo "Building baton ..."
    cargo build --quiet --package baton-cli
    BATON=${CARGO_TARGET_DIR:-target}/debug/baton
fi
# By its whole path, and as `baton` in what is printed.
baton=$(cd "$(dirname "$BATON")" && pwd)/$(basename "$BATON")

name=onboard
for tool in python3 openssl; do
    if ! command -v "$tool" >/dev/null; then
        echo "($tool is missing: each step sets up a little file instead of the real thing)"
        name=onboard-fast
    fi
done
plan=examples/$name.toml

work=$(mktemp -d)
runner=''
export BATON_DIR="$work/state" ONBOARD_DIR="$work/site" ONBOARD_WATCH="$work"
clean_up() {
    trap '' INT TERM HUP
    if [ -n "$runner" ]; then kill -9 "$runner" 2>/dev/null || :; wait "$runner" 2>/dev/null || :; fi
    rm -f "$work/slow"
    # A step that still runs ends now, and what is set up by then is taken back: a service, above all.
    [ ! -e "$ONBOARD_DIR" ] || timeout 60 "$baton" undo --yes -q -w 30s "$plan" >/dev/null || echo "left in $work" >&2
    [ -e "$ONBOARD_DIR" ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n# %s\n' "$*"; }
# Runs baton, shows what was typed, and how it ended if not well.
typed() {
    echo "\$ baton $*"
    code=0
    "$baton" "$@" </dev/null || code=$?
    [ "$code" = 0 ] || echo "(exit code $code)"
}
must() { [ "$code" = "$1" ] || { echo "tour.sh: expected exit code $1, not $code" >&2; exit 1; }; }

# The fourth step takes its time as long as there is a file: a shell in front of the real one waits for it.
mkdir "$work/bin"
cat >"$work/bin/sh" <<'SHELL'
#!/bin/sh
if [ "${BATON_STEP-}" = provider_selection ] && [ "${2-}" = run ]; then
    : >"$ONBOARD_WATCH/half-way"
    tries=0
    while [ -e "$ONBOARD_WATCH/slow" ] && [ "$tries" -lt 600 ]; do tries=$((tries + 1)); sleep 0.1; done
fi
exec /bin/sh "$@"
SHELL
chmod +x "$work/bin/sh"
export PATH="$work/bin:$PATH"
: >"$work/slow"

say "A job of seven steps begins, and is held up in the fourth."
echo "\$ baton apply $plan &"
"$baton" apply "$plan" </dev/null &
runner=$!
tries=0
until [ -e "$work/half-way" ]; do
    tries=$((tries + 1))
    kill -0 "$runner" 2>/dev/null && [ "$tries" -lt 600 ] || { echo "tour.sh: it does not get there" >&2; exit 1; }
    sleep 0.1
done

say "Its runner is killed, with SIGKILL. The step lives on, so that nobody else gets in:"
kill -9 "$runner"
wait "$runner" 2>/dev/null || :
runner=''
typed apply -n "$plan"
must 75

say "The step ends. What is unfinished is neither carried on nor thrown away unasked:"
rm "$work/slow"
"$baton" wait -q -w 60s "$name"
typed apply "$plan"
must 3

say "Carry on: what is done is only checked."
typed apply --resume "$plan"
must 0

say "The whole story, and all of it taken back:"
typed session show "$name"
must 0
echo
typed undo --yes "$plan"
must 0
[ ! -e "$ONBOARD_DIR" ] || { echo "tour.sh: something is left in $ONBOARD_DIR" >&2; exit 1; }

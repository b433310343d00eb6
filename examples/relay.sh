#!/bin/sh
# Two contenders for one lock, a kill, and a recovery, with the command and a small job for real.
#
# Builds `baton` first, unless BATON names one. Everything else happens in a temporary directory, which is removed at the end; only processes
# started here are killed.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${BATON-}" ]; then
    echo "Building baton ..."
    cargo build --quiet --package baton-cli
    BATON=${CARGO_TARGET_DIR:-target}/debug/baton
fi
baton=$BATON
here=$PWD/examples

work=$(mktemp -d)
holder='' job=''
clean_up() {
    for pid in $holder $job; do kill -9 "$pid" 2>/dev/null || :; done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
export BATON_DIR="$work/state"
site=$work/site
mkdir "$site"

say() { printf '\n# %s\n' "$*"; }
until_there() {
    tries=0
    until [ -e "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || { echo "gave up waiting for $1" >&2; exit 1; }
        sleep 0.1
    done
}

say "Alice deploys version 1, and is stopped half-way."
touch "$site/pause"
"$baton" run --purpose 'release 1' site -- "$here/deploy.sh" "$site" 1 &
holder=$!
until_there "$site/deploying"
read -r _version job <"$site/deploying"

say "Bob tries to deploy version 2, and doesn't want to wait: he is told who is in the way."
code=0
"$baton" run -n site -- "$here/deploy.sh" "$site" 2 || code=$?
echo "(exit code $code)"

say "Bob waits for his turn, and says how to clean up if the holder dies."
"$baton" run --purpose 'release 2' --on-recovered "'$here/rollback.sh' '$site'" site -- "$here/deploy.sh" "$site" 2 2>"$work/bob" &
bob=$!
until_there "$work/bob"
tries=0
until grep -q waiting "$work/bob" || [ "$tries" -ge 300 ]; do tries=$((tries + 1)); sleep 0.1; done
cat "$work/bob"

say "Alice's baton is killed. Her job lives on and still has the lock, so Bob goes on waiting."
kill -9 "$holder"
wait "$holder" 2>/dev/null || :
holder=''
"$baton" status site || :

say "Her job is killed too. Bob recovers: cleans up what she left half done, and deploys."
rm "$site/pause"
kill -9 "$job"
job=''
wait "$bob"
tail -n +2 "$work/bob"

say "What is live, and the lock:"
cat "$site/current/index.html"
"$baton" status site

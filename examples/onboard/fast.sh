#!/bin/sh
# fast.sh run|check|undo STEP [FACT]: one step of onboard-fast.toml.
#
# What it sets up is $ONBOARD_DIR/STEP, put in place whole. Beside it, in $ONBOARD_WATCH:
#
#   ledger   a line at each begin of a step: TOKEN ATTEMPT STEP, or TOKEN ATTEMPT undo STEP
#   inside   locked by the step that runs, with a lock that Baton knows nothing of
#   wrong    what must never be: two steps at once, a step that runs before those it builds on are there, or again though its
#            check would pass and it has nothing to publish
set -eu
verb=$1 step=$2 fact=${3-none}
site=$ONBOARD_DIR
wrong() { echo "$BATON_TOKEN $BATON_ATTEMPT $verb $step: $*" >>"$ONBOARD_WATCH/wrong"; }

is_there() {
    [ -e "$site/$step" ] && read -r is <"$site/$step" && [ "$is" = "$step $fact" ] &&
        { [ "$step" != gateway ] || is_running; }
}

# The daemon has the file with its number locked for as long as it lives.
is_running() { [ -e "$site/gateway.pid" ] && ! flock -n 8 8<"$site/gateway.pid"; }

# The end of what it says is waited for: it runs then.
start_daemon() { said=$(setsid bash onboard/fast-gateway.sh "$site/gateway.pid" 7>&- &); }

stop_daemon() {
    ! is_running || { read -r pid <"$site/gateway.pid" && kill "$pid" && flock 8; } 8<"$site/gateway.pid"
    rm -f "$site/gateway.pid"
}

case $verb in
check)
    is_there
    ;;
run)
    echo "$BATON_TOKEN $BATON_ATTEMPT $step" >>"$ONBOARD_WATCH/ledger"
    exec 7>>"$ONBOARD_WATCH/inside"
    flock -n 7 || wrong "not alone"
    [ -d "$site" ] || mkdir "$site"
    for before in preflight gateway sandbox provider_selection inference openclaw policies; do
        [ "$before" != "$step" ] || break
        [ -e "$site/$before" ] || wrong "$before is not there"
    done
    case $step in
    preflight | provider_selection) ;;
    *) ! is_there || wrong "it is there already" ;;
    esac
    case $step in
    preflight) printf 'site=%s\nport=4711\n' "$site" >>"$BATON_OUTPUT" ;;
    provider_selection) echo "provider=loopback" >>"$BATON_OUTPUT" ;;
    gateway) is_running || start_daemon ;;
    esac
    echo "$step $fact" >"$site/.$step.new"
    mv "$site/.$step.new" "$site/$step"
    ;;
undo)
    echo "$BATON_TOKEN $BATON_ATTEMPT undo $step" >>"$ONBOARD_WATCH/ledger"
    exec 7>>"$ONBOARD_WATCH/inside"
    flock -n 7 || wrong "not alone"
    [ "$step" != gateway ] || stop_daemon
    rm -f "$site/$step" "$site/.$step.new"
    [ "$step" != preflight ] || rmdir "$site" 2>/dev/null || :
    ;;
esac

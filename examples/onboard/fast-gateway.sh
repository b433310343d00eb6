#!/bin/bash
# fast-gateway.sh FILE: a daemon that does nothing, ends by itself after a minute, and has FILE, with its number, locked until then.
#
# It keeps nothing of the step that starts it: neither its output, nor the descriptors of the lock, with which it would keep out
# the next runner of a job whose runner was killed.
daemon() {
    for fd in /proc/$$/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec 8>>"$1"
    flock -n 8 || exit 0
    echo $$ >"$1"
    exec sleep 60 </dev/null >/dev/null 2>&1
}
# Whole, since the script itself is among what is closed.
daemon "$1"

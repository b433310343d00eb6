#!/bin/sh
# preflight.sh run|undo: is what the other steps need there? Publishes where everything goes, with what, and a free port.
set -eu
site=${ONBOARD_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/baton-onboard}

case $1 in
run)
    for tool in python3 openssl sha256sum install; do
        command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
    done
    mkdir -p -m 700 "$site"
    # The interpreter itself, not a launcher that chooses one; and a port that nobody has now, though somebody may take it.
    python3 - >"$site/preflight.new" <<'PYTHON'
import socket, sqlite3, sys, venv
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(f"python={sys.executable}\nport={probe.getsockname()[1]}")
PYTHON
    echo "site=$(cd "$site" && pwd)" >>"$site/preflight.new"
    mv "$site/preflight.new" "$site/preflight"
    cat "$site/preflight" >>"$BATON_OUTPUT"
    ;;
undo)
    # What it did not make is not its to remove: a directory with anything else in it stays.
    rm -f "$site/preflight" "$site/preflight.new"
    rmdir "$site" 2>/dev/null || :
    ;;
esac

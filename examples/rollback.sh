#!/bin/sh
# rollback.sh SITE: removes what a deployment that died half-way has left; run by `baton run --on-recovered`, under the lock.
set -eu
site=$1
[ -e "$site/deploying" ] || exit 0
read -r version _pid <"$site/deploying"
rm -r "$site/releases/$version"
rm "$site/deploying"
echo "  rollback: removed the half-done version $version"

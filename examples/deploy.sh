#!/bin/sh
# deploy.sh SITE VERSION: puts a version of a site in place, in three steps that must not be left half done.
#
# A stand-in for any job of several steps: what it does is real, only small. If the file SITE/pause exists it stops before the last
# step until that is gone, so that whoever shows this off has the time to kill it.
set -eu
site=$1 version=$2

echo "  deploy $version: begins (token $BATON_TOKEN, $BATON_OUTCOME)"
mkdir -p "$site/releases/$version"
echo "<h1>version $version</h1>" >"$site/releases/$version/index.html"
echo "$version $$" >"$site/deploying.new"
mv "$site/deploying.new" "$site/deploying" # from here on the site is half done
echo "  deploy $version: files copied"
while [ -e "$site/pause" ]; do sleep 0.1; done
ln -sfn "releases/$version" "$site/current"
rm "$site/deploying"
echo "  deploy $version: live"

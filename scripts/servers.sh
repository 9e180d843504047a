#!/bin/bash
# Gets what is missing of Debian's redis-server and postgresql, which the tests of two sample plugins start. The packages are
# unpacked below this folder: that takes no root, installs nothing on the machine and starts nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
place=.tools/servers
draft=$place.draft

shopt -s nullglob
wanted=()
missing=
want() {
    wanted+=("$1")
    # One that is there is whole: the folder is moved to its place when all is in it.
    [ -e "${2-}" ] || missing=yes
}
command -v redis-server >/dev/null || want redis-server $place/usr/bin/redis-server
found=(/usr/lib/postgresql/*/bin/initdb)
command -v initdb >/dev/null || [ ${#found[@]} -gt 0 ] || want postgresql $place/usr/lib/postgresql/*/bin/initdb
[ -n "$missing" ] || exit 0
skipped="the tests that start them are skipped"
if ! command -v apt-get >/dev/null; then
    echo "  no ${wanted[*]} here: $skipped"
    exit 0
fi

started=$SECONDS
echo "Servers that tests start: ${wanted[*]} ..."
drafts=$(mktemp -d)
trap 'rm -rf "$drafts"' EXIT
get() {
    # What each needs and the machine lacks. PostgreSQL does without the compiler that it can speed up queries with.
    local names
    names=$(apt-get install --simulate --no-install-recommends "${wanted[@]}" | awk '/^Inst/ && !/^Inst libllvm/ { print $2 }')
    [ -n "$names" ] && (cd "$drafts" && rm -f ./*.deb && apt-get download --quiet=2 $names)
}
if ! { get || { apt-get update --quiet=2 && get; }; } >/dev/null 2>&1; then
    echo "  ${wanted[*]} could not be fetched: $skipped"
    exit 0
fi
rm -rf $draft
mkdir -p $draft
for package in "$drafts"/*.deb; do dpkg-deb --extract "$package" $draft; done
rm -rf $place
mv $draft $place
echo "  ready in $((SECONDS - started)) s: $place"

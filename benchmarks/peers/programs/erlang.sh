# Starts the Erlang contestant, with the system's Erlang or with the package that was unpacked into the folder $1.
set -eu
source=$(cd "$(dirname "$0")" && pwd)/erlang_peer.erl
erl=erl
if ! command -v erl >/dev/null; then
    # Debian's own script holds the place that the package is installed to.
    BINDIR=$(echo "$1"/usr/lib/erlang/erts-*/bin)
    export BINDIR ROOTDIR="$1/usr/lib/erlang" EMU=beam PROGNAME=erl
    erl=$BINDIR/erlexec
fi
mkdir -p "$1/code"
"$erl" -noinput -eval '
    [Source, Folder] = init:get_plain_arguments(),
    {ok, _} = compile:file(Source, [{outdir, Folder}, report]),
    halt().' -extra "$source" "$1/code" >&2
exec "$erl" -noshell -pa "$1/code" -s erlang_peer main

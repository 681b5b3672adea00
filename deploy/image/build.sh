#!/bin/sh
# Makes an installation of Stempel: build.sh SOURCE TARGET. For the image (see Dockerfile), and for a plain server,
# where a release is a folder below /opt/stempel/releases. Nothing of it has to be written afterwards.
set -eu
umask 022

[ $# -eq 2 ] || { echo "usage: build.sh SOURCE TARGET" >&2; exit 2; }
source=$(CDPATH='' cd -- "$1" && pwd -P)
mkdir -p "$2"
target=$(CDPATH='' cd -- "$2" && pwd -P)
[ -z "$(ls -A "$target")" ] || { echo "build.sh: $target is not empty" >&2; exit 1; }

mkdir -p "$target/backend/tools" "$target/deploy"
cp "$source/stempel" "$source/LICENSE" "$target/"
cp "$source"/backend/requirements*.txt "$target/backend/"
for name in environment.sh checks.sh pip_settings.py; do
    cp "$source/backend/tools/$name" "$target/backend/tools/$name"
done
cp -R "$source/deploy/image" "$target/deploy/image"
# Without tests, and without what this machine's Python has compiled.
(cd "$source/backend" && find app -name tests -prune -o -name __pycache__ -prune -o -type f -print) |
    tar -C "$source/backend" -cf - -T - | tar -C "$target/backend" -xf -

# Whoever serves from here may not be able to mend it, and must not try (backend/tools/environment.sh).
: >"$target/.built"

# The lock's hashes are checked; the environment is the one that ./stempel makes anywhere.
STEMPEL_BUILDING=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 "$target/stempel" install

# Compiled once here; whoever runs it later may not write, and should not compile at each start.
"$target/.venv/bin/python" -m compileall -q "$target/backend/app" "$target/.venv/lib"
# The installer has done its work.
rm -f "$target/.venv/bin/uv" "$target/.venv/bin/uvx" "$target/.venv/install.log" "$target/.venv/install.log.status"
chmod -R a+rX,go-w "$target"

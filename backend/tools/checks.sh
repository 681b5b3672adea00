# Sourced by ./stempel: the checks and the tests. Reads $root, $backend and $venv.
# shellcheck shell=sh disable=SC2154

i_am_root() { [ "$(id -u)" = 0 ]; }

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt_log=$(mktemp)
    say "  installing from the distribution: $*"
    if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; } >"$apt_log" 2>&1; then
        tail -n 5 "$apt_log" >&2
        rm -f "$apt_log"
        fail "The distribution's packages could not be installed: $*"
    fi
    rm -f "$apt_log"
}

find_chromium() {
    for candidate in ${STEMPEL_CHROMIUM:+"$STEMPEL_CHROMIUM"} /usr/bin/chromium /usr/bin/chromium-browser; do
        if [ -x "$candidate" ]; then
            export STEMPEL_CHROMIUM="$candidate"
            return 0
        fi
    done
    return 1
}

ensure_chromium() {
    if find_chromium; then return; fi
    if i_am_root && command -v apt-get >/dev/null 2>&1; then
        apt_install chromium fonts-liberation
        find_chromium || fail "Chromium was installed but is not at /usr/bin/chromium; name it in STEMPEL_CHROMIUM."
        return
    fi
    fail "The browser tests need Chromium. Install it with: sudo apt-get install -y chromium (or name one in STEMPEL_CHROMIUM), then run ./stempel test again."
}

ensure_system_services() {
    i_am_root || fail "The system tests install services and change users; run them as root: sudo ./stempel test --system"
    missing=''
    for pair in redis-server:redis-server nginx:nginx pgbouncer:pgbouncer setpriv:util-linux useradd:passwd \
        systemd-analyze:systemd docker-compose:docker-compose; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    # Readers of wallet passes by others: KDE's library (built into a small program), GNUstep's plparse, npm's.
    [ -e /usr/include/KPim/KPkPass/Pass ] || missing="$missing libkpimpkpass-dev"
    for pair in plparse:gnustep-base-runtime g++:g++ pkg-config:pkg-config npm:npm; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    if [ -n "$missing" ]; then
        command -v apt-get >/dev/null 2>&1 || fail "The system tests need these programs:$missing"
        # Debian starts a service as it installs it; the tests start their own, on their own ports.
        policy=/usr/sbin/policy-rc.d
        made_policy=no
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod +x "$policy"
            made_policy=yes
        fi
        # shellcheck disable=SC2086
        (apt_install $missing) || { [ "$made_policy" = no ] || rm -f "$policy"; exit 1; }
        [ "$made_policy" = no ] || rm -f "$policy"
    fi
}

check() {
    title=$1
    shift
    say "== $title"
    "$@" || failed_checks="$failed_checks $title,"
}

run_checks() {
    failed_checks=''
    bin=$venv/bin
    cd "$backend"
    check "ruff check" "$bin/ruff" check . "$root/bench"
    check "ruff format" "$bin/ruff" format --check . "$root/bench"
    check "mypy" "$bin/mypy"
    check "project rules" "$bin/python" -m tools.lint
    check "bandit" "$bin/python" -m tools.bandit
    if [ -f .importlinter ]; then check "lint-imports" "$bin/lint-imports" --config .importlinter; fi
    if [ -z "$failed_checks" ]; then return 0; fi
    say "Failed:${failed_checks%,}"
    return 1
}

# Our own semgrep rules. An environment of its own (200 MB): what semgrep pins fights with what we pin.
run_semgrep() {
    prepare_environment runtime
    own=$root/.venv.semgrep
    lock=$backend/requirements-semgrep.txt
    if [ "$(cat "$own/.stempel-lock" 2>/dev/null)" != "$(cksum <"$lock")" ]; then
        rm -rf "$own"
        "$venv/bin/python" -m venv "$own"
        say "  installing semgrep ..."
        "$own/bin/python" -m pip install --quiet --require-hashes -r "$lock" || fail "semgrep could not be installed."
        cksum <"$lock" >"$own/.stempel-lock"
    fi
    PATH="$own/bin:$PATH" "$venv/bin/python" "$backend/tools/semgrep/check.py" "$own/bin/semgrep"
}

# test [--system] [pytest arguments]
run_tests() {
    system=no
    if [ "${1-}" = --system ]; then
        system=yes
        shift
    fi
    if [ "$system" = yes ]; then ensure_system_services; fi
    prepare_environment test
    ensure_chromium
    checks=0
    if [ "$system" = no ]; then run_checks || checks=1; fi
    cd "$backend"
    say "== pytest"
    status=0
    if [ "$system" = yes ]; then
        run_semgrep || fail "The program breaks one of its own rules."
        # One after the other: they share the machine's services and users.
        "$venv/bin/python" -m pytest -p tests.strict_outcomes -p tests.progress -m system tests/system "$@" || status=$?
    else
        "$venv/bin/python" -m pytest -p tests.strict_outcomes -p tests.progress -n 2 --dist worksteal "$@" || status=$?
    fi
    if [ "$checks" -ne 0 ]; then
        say "The tests ended with $status, but checks failed before them:${failed_checks%,}"
        exit 1
    fi
    exit "$status"
}

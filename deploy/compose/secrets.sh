#!/bin/sh
# Draws the passwords of the containers: secrets.sh FOLDER (docs/deploy.md). What is there already is kept.
set -eu
umask 077

folder=${1:-secrets}
mkdir -p "$folder"
cd "$folder"

draw() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
keep() {
    [ -s "$1" ] || printf '%s\n' "$2" >"$1"
}

keep postgres_password "$(draw)"
keep database_admin_url "postgresql://stempel_owner:$(cat postgres_password)@postgres/stempel"
keep database_url "postgresql://stempel_app:$(draw)@postgres/stempel"
keep database_system_url "postgresql://stempel_system:$(draw)@postgres/stempel"
keep backup_passphrase "$(draw)"
# The containers read them as user 10001, through the mount; the folder itself stays closed to others.
chmod 0644 ./*
chmod 0700 .

#!/bin/sh
# Brings a running installation to the checked-out release without a pause: update.sh [WEB_CONTAINERS].
# Run it in the folder of compose.yaml. New web containers start beside the old ones; these leave when those are well.
set -eu

count=${1:-2}
wait_seconds_max=300

docker compose build migrate
docker compose run --rm migrate

old=$(docker compose ps --quiet web)
running=$(printf '%s' "$old" | grep -c . || true)
docker compose up --detach --no-deps --no-recreate --scale "web=$((running + count))" web

waited=0
for container in $(docker compose ps --quiet web); do
    case " $(echo "$old" | tr '\n' ' ') " in *" $container "*) continue ;; esac
    until [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; do
        waited=$((waited + 1))
        [ "$waited" -lt "$wait_seconds_max" ] || {
            echo "The new web containers are not well after $wait_seconds_max s; the old ones go on serving." >&2
            exit 1
        }
        sleep 1
    done
done

# Told to end, each finishes what it has and lets callers go elsewhere (STEMPEL_DRAIN_SECONDS).
for container in $old; do
    docker stop --time 45 "$container" >/dev/null
    docker rm "$container" >/dev/null
done
docker compose up --detach --no-deps worker backup

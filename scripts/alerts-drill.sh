#!/bin/sh
# Fires each alert of ops/prometheus-rules.yaml by its cause, in a shop and a Prometheus of its own
# (at most 15 minutes), and prints after how many seconds it fired:
#     scripts/alerts-drill.sh
# Prometheus scrapes every second instead of every 10 s, so the `for` and the windows of the rules
# are a tenth, too. Everything else is compared as it is: a payment has to be unknown for a minute.
# ALERTS_DRILL_PORT (17400) is the first of five ports. The program is DOORBUSTER_PROGRAM, or the
# release build, or the one without optimisation.
# Exit 0: each alert fired, or is listed with the reason why its cause is not here.
set -eu

cd -- "$(dirname -- "$0")/.."
scripts=$PWD/scripts/alerts-drill

first_port=${ALERTS_DRILL_PORT:-17400}
url=http://127.0.0.1:$first_port
metrics=127.0.0.1:$((first_port + 1))
prometheus=http://127.0.0.1:$((first_port + 2))
redis_port=$((first_port + 3))
provider_address=127.0.0.1:$((first_port + 4))

say() {
    printf '==> %s\n' "$*" >&2
}

fail() {
    printf 'alerts-drill: %s\n' "$*" >&2
    exit 1
}

. "$scripts/programs.sh"
. "$scripts/record.sh"
. "$scripts/causes.sh"

need_programs
work=$(mktemp -d "${TMPDIR:-/tmp}/doorbuster-alerts-XXXXXX")
# PostgreSQL runs under an account of its own if this script runs as root.
chmod 755 "$work"
mkdir "$work/caused" "$work/fired" "$work/firing" "$work/excused" "$work/held"
trap 'stop_programs' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_redis
start_shop
start_provider
start_prometheus
start_watch
began=$(date +%s)
cause_alerts
say "All causes took $(($(date +%s) - began)) s"
print_table

#!/bin/sh
# Causes faults while every safe strategy sells, on both engines one after the other, and writes
# docs/RELIABILITY.md:
#     scripts/faults.sh                     all faults
#     scripts/faults.sh --engine postgres   on one engine: postgres or mariadb
#     scripts/faults.sh network             those whose names contain this text; writes no document
# DOORBUSTER_TEST_SEED repeats the clients of an earlier run.
set -eu

cd -- "$(dirname -- "$0")/.."

engines='postgres mariadb'
case ${1-} in
--engine)
    engines=${2-}
    shift 2
    ;;
esac
case $engines in
postgres | mariadb | 'postgres mariadb') ;;
*)
    echo 'usage: scripts/faults.sh [--engine postgres|mariadb] [PART OF A NAME]' >&2
    exit 2
    ;;
esac
DOORBUSTER_FAULTS=${*-}
export DOORBUSTER_FAULTS
# The longest time for both engines, without building.
max_s=900

say() {
    printf '==> %s\n' "$*" >&2
}

# The servers under test are started by the tests; this one only says which engine it is. A folder
# that its account can reach, wherever this repository is.
data=$(mktemp -d "${TMPDIR:-/tmp}/doorbuster-faults-XXXXXX")
chmod 755 "$data"
engine_server() {
    DOORBUSTER_DATA="$data" DOORBUSTER_ENGINES_DURABLE=no \
        DOORBUSTER_ENGINES_PORT="${DOORBUSTER_TEST_ENGINES_PORT:-14306}" \
        scripts/engines.sh mariadb "$@"
}
trap 'engine_server stop || true; rm -rf "$data"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Without it, the fault of the clock is listed as not run here.
scripts/engines.sh faketime install || true

say 'Building the tests (first time: about 6 minutes)'
program=$(cargo test --workspace --features ssr --no-run 2>&1 |
    sed -n 's/^ *Executable tests\/integration.rs (\(.*\))$/\1/p')
[ -n "$program" ] || {
    echo 'The tests do not compile.' >&2
    exit 1
}

cause_faults() {
    say "Causing faults on $1 (about 7 minutes). Do not use the machine meanwhile: answers are timed."
    "$program" --exact faults::run::nothing_is_lost_in_any_fault --ignored --nocapture
}

begin=$(date +%s)
failed=
for engine in $engines; do
    unset DATABASE_URL
    if [ "$engine" = mariadb ]; then
        status=0
        engine_server >"$data/urls" || status=$?
        if [ "$status" = 69 ]; then
            say "NOTHING WAS TESTED ON mariadb: it is not installed. See the line above."
            failed=1
            continue
        fi
        [ "$status" = 0 ] || exit "$status"
        DATABASE_URL=$(sed -n 's/^DATABASE_URL=//p' "$data/urls")
        export DATABASE_URL
    fi
    cause_faults "$engine" || failed=1
done
took=$(($(date +%s) - begin))
say "All faults took $took s"
[ "$took" -le "$max_s" ] || {
    say "That is more than $max_s s"
    failed=1
}
[ -z "$failed" ]

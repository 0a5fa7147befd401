#!/bin/sh
# Runs integration tests on private database servers, which it starts and removes:
#     scripts/test-engines.sh mariadb [MODULE…]   the tests of these modules, or all of them
#     scripts/test-engines.sh galera              the tests of a cluster of three nodes
# The tests must have been built with `cargo test --workspace --features ssr`.
set -eu

cd -- "$(dirname -- "$0")/.."

case ${1-} in
mariadb | galera) engine=$1 ;;
*)
    echo 'usage: scripts/test-engines.sh mariadb [MODULE…] | galera' >&2
    exit 2
    ;;
esac
shift

say() {
    printf '==> %s\n' "$*" >&2
}

# A folder that the account of the servers can reach, wherever this repository is.
data=$(mktemp -d "${TMPDIR:-/tmp}/doorbuster-engines-XXXXXX")
chmod 755 "$data"
export DOORBUSTER_DATA="$data"
# Other ports than those of `./makew engines`.
export DOORBUSTER_ENGINES_PORT="${DOORBUSTER_TEST_ENGINES_PORT:-14306}"
# No test on these servers cuts the power.
export DOORBUSTER_ENGINES_DURABLE=no
trap 'scripts/engines.sh "$engine" stop || true; rm -rf "$data"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints the URLs of the servers. 69 means that MariaDB is not installed and cannot be.
start() {
    status=0
    # They contain the password, and the folder is open to all.
    (umask 077 && : >"$data/urls")
    scripts/engines.sh "$engine" >"$data/urls" || status=$?
    if [ "$status" = 69 ]; then
        say '!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!'
        say "NOTHING WAS TESTED ON ${engine}: it is not installed. See the line above."
        say '!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!'
        exit 0
    fi
    [ "$status" = 0 ] || exit "$status"
    sed -n 's/^DATABASE_URL=//p' "$data/urls"
}

test_program() {
    cargo test --workspace --features ssr --no-run 2>&1 |
        sed -n 's/^ *Executable tests\/integration.rs (\(.*\))$/\1/p'
}

run_on_mariadb() {
    DATABASE_URL=$(start)
    [ -n "$DATABASE_URL" ] || exit 0
    export DATABASE_URL
    "$program" --exact support::engines::print_postgres_only --nocapture |
        sed -n 's/^.*postgres-only \(.*\)$/\1/p' >"$data/skipped"
    skip=$(sed 's/^\([^ ]*\) .*/--skip \1/' "$data/skipped")
    say "Running the integration tests on MariaDB${*:+, of these modules: $*}"
    failed=
    # shellcheck disable=SC2086 # an option and a name on each line
    "$program" --test-threads 4 "$@" $skip || failed=1
    say 'These tests are about something that only PostgreSQL has, and did not run on MariaDB:'
    "$program" --list 2>/dev/null | sed -n 's/: test$//p' >"$data/tests"
    while read -r name reason; do
        case $name in
        *::) number=$(grep -c "^$name" "$data/tests" || true) ;;
        *) number=1 ;;
        esac
        printf '    %3s  %s: %s\n' "$number" "$name" "$reason" >&2
    done <"$data/skipped"
    [ -z "$failed" ]
}

run_on_galera() {
    urls=$(start)
    [ -n "$urls" ] || exit 0
    GALERA_URLS=$(echo "$urls" | paste -sd , -)
    # The other databases of these tests are on the first node.
    DATABASE_URL=$(echo "$urls" | head -n 1)
    export GALERA_URLS DATABASE_URL
    say 'Running the tests of a Galera cluster of three nodes (several minutes)'
    "$program" galera:: --ignored --test-threads 1 --nocapture
}

program=$(test_program)
[ -n "$program" ] || {
    echo 'The tests do not compile.' >&2
    exit 1
}
"run_on_$engine" "$@"

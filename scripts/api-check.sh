#!/bin/sh
# Sends what a fuzzer can think of to everything that the OpenAPI document describes, with
# schemathesis (https://schemathesis.io), and compares the answers with the document:
#     scripts/api-check.sh [URL]
# Without a URL, it starts a shop of its own and removes it afterwards. With one, it checks that
# running shop: it buys, fills carts and starts simulations, so not a shop with customers.
# ADMIN_PASSWORD lets it also send the administrator's forms there.
# API_CHECK_EXAMPLES is the number of random requests for each operation, API_CHECK_SEED the seed.
# Exit 0: no server error, no undescribed status, media type, header or body.
set -eu

cd -- "$(dirname -- "$0")/.."

SCHEMATHESIS=4.32.5
tools=$PWD/target/tools/schemathesis-$SCHEMATHESIS
program=${DOORBUSTER_PROGRAM:-$PWD/target/release/doorbuster}
work=$PWD/target/api-check
server=

say() {
    printf '==> %s\n' "$*" >&2
}

fail() {
    printf 'api-check: %s\n' "$*" >&2
    exit 1
}

install_schemathesis() {
    [ ! -x "$tools/bin/schemathesis" ] || return 0
    command -v python3 >/dev/null || fail "needs Python 3.10 or newer, with venv"
    say "Installing schemathesis $SCHEMATHESIS into target/tools (once, about 1 minute)"
    rm -rf "$tools"
    python3 -m venv "$tools" || fail "Python cannot make a virtual environment (on Debian: python3-venv)"
    # pip writes the program last, so an interrupted installation is repeated.
    "$tools/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS" ||
        fail "pip could not install schemathesis. See its messages above."
}

stop_server() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
    rm -rf "$work/data"
}

start_server() {
    [ -x "$program" ] || fail "there is no $program. Run ./makew build first."
    rm -rf "$work"
    mkdir -p "$work"
    ADMIN_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    export ADMIN_PASSWORD
    port=${API_CHECK_PORT:-3210}
    url=http://127.0.0.1:$port
    say "Starting a shop at $url (its log: target/api-check/log)"
    # In a folder without an .env file, and without the settings of another shop.
    (
        cd "$work"
        exec env -u DATABASE_URL -u REDIS_URL -u PUBLIC_URL DOORBUSTER_ADDR="127.0.0.1:$port" \
            DOORBUSTER_DATA="$work/data" "$program" serve
    ) >"$work/log" 2>&1 &
    server=$!
    trap stop_server EXIT
    trap 'exit 130' INT TERM
    waited=0
    until curl --silent --fail --output /dev/null "$url/readyz"; do
        kill -0 "$server" 2>/dev/null || fail "the shop ended: $(tail -n 5 "$work/log")"
        [ "$waited" -lt 120 ] || fail "the shop is not ready after 120 s; see target/api-check/log"
        sleep 1
        waited=$((waited + 1))
    done
}

# Prints the cookie of a new administrator's session. The password is not an argument of a process,
# which every account of the machine could read.
session() {
    jar=$(mktemp)
    printf '%s' "$ADMIN_PASSWORD" |
        curl --silent --fail --output /dev/null --cookie-jar "$jar" \
            --data-urlencode password@- "$url/api/form/admin/login" ||
        fail "the shop does not accept ADMIN_PASSWORD"
    awk '$6 == "doorbuster" || $6 == "__Host-doorbuster" { print $6 "=" $7 }' "$jar"
    rm -f "$jar"
}

# $1 is the configuration of schemathesis, further arguments select operations. schemathesis writes
# into the folder where it runs.
check() (
    mkdir -p target/api-check
    cd target/api-check
    printf '%s\n' "$1" >schemathesis.toml
    shift
    "$tools/bin/schemathesis" --config-file schemathesis.toml run "$url/api/openapi.json" \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance \
        --phases examples,coverage,fuzzing \
        --max-examples "${API_CHECK_EXAMPLES:-50}" \
        --seed "${API_CHECK_SEED:-1}" \
        --request-timeout 10 \
        --continue-on-failure \
        --suppress-health-check all \
        --warnings off \
        "$@"
)

install_schemathesis
if [ $# -gt 0 ]; then
    url=${1%/}
else
    start_server
fi
failed=
say 'Checking everything as a stranger'
check '' || failed=1
if [ -n "${ADMIN_PASSWORD-}" ]; then
    say 'Checking the forms of the administrator with a session'
    API_CHECK_COOKIE=$(session)
    export API_CHECK_COOKIE
    # Signing in and out would end the session of the check. schemathesis reads the variable itself.
    # shellcheck disable=SC2016
    check 'headers = { Cookie = "${API_CHECK_COOKIE}" }' --include-path-regex '^/api/form/admin/' \
        --exclude-path-regex '^/api/form/admin/log(in|out)$' || failed=1
fi
if [ -n "$server" ] && ! curl --silent --fail --output /dev/null "$url/readyz"; then
    fail 'the shop is no longer ready; see target/api-check/log'
fi
if [ -n "$server" ] && grep -q 'a request panicked' "$work/log"; then
    fail 'a request panicked; see target/api-check/log'
fi
[ -z "$failed" ] || fail 'the API and its document differ; see above'
say 'The API answers as its document says'

# Starts and stops the programs of the drill. Read by scripts/alerts-drill.sh.

# Without one of the first ones nothing can be shown, which is no error of the shop.
need_programs() {
    for needed in prometheus promtool; do
        command -v "$needed" >/dev/null || {
            say "No $needed (on Debian: the package prometheus): no alert is fired"
            exit 0
        }
    done
    for needed in curl psql ps; do
        command -v "$needed" >/dev/null ||
            fail "needs $needed (on Debian: the packages curl, postgresql-client and procps)"
    done
    program=${DOORBUSTER_PROGRAM:-$PWD/target/release/doorbuster}
    [ -x "$program" ] || program=$PWD/target/debug/doorbuster
    [ -x "$program" ] || fail "there is no $program. Run ./makew build first."
    redis_server=$(command -v redis-server || command -v valkey-server || true)
    redis_client=$(command -v redis-cli || command -v valkey-cli || true)
}

start_redis() {
    redis=
    [ -n "$redis_server" ] && [ -n "$redis_client" ] || return 0
    mkdir "$work/redis"
    "$redis_server" --port "$redis_port" --bind 127.0.0.1 --dir "$work/redis" --save '' \
        --appendonly yes >"$work/redis/log" 2>&1 &
    redis=$!
    until in_redis PING >/dev/null 2>&1; do
        kill -0 "$redis" 2>/dev/null || fail "Redis ended: $(tail -n 3 "$work/redis/log")"
        sleep 0.2
    done
}

in_redis() {
    "$redis_client" -h 127.0.0.1 -p "$redis_port" "$@"
}

random() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

start_shop() {
    ADMIN_PASSWORD=$(random)
    PAYMENT_SECRET=$(random)
    export ADMIN_PASSWORD PAYMENT_SECRET
    say "Starting a shop at $url"
    # In a folder without an .env file, and without the settings of another shop.
    (
        cd "$work"
        unset DATABASE_URL REDIS_URL PUBLIC_URL OTEL_EXPORTER_OTLP_ENDPOINT
        [ -z "$redis" ] || export REDIS_URL="redis://127.0.0.1:$redis_port/0"
        # Reservations expire soon, because one of the causes is one that is not released.
        exec env DOORBUSTER_ADDR="${url#http://}" METRICS_ADDR="$metrics" HOLD_TTL_S=20 \
            PAYMENT_PROVIDER_URL="http://$provider_address" DOORBUSTER_DATA="$work/data" \
            "$program" serve
    ) >"$work/log" 2>&1 &
    shop=$!
    waited=0
    until curl --silent --fail --output /dev/null "$url/readyz"; do
        kill -0 "$shop" 2>/dev/null || fail "the shop ended: $(tail -n 5 "$work/log")"
        [ "$waited" -lt 120 ] || fail "the shop is not ready after 120 s"
        sleep 1
        waited=$((waited + 1))
    done
    database=$(head -n 1 "$work/data/postgres/postmaster.pid")
}

# A provider of its own: the shop replaces one that it has started itself and that does not answer.
start_provider() {
    (
        cd "$work"
        DATABASE_URL="postgres://doorbuster@localhost/doorbuster?host=$work/data/socket&port=5432"
        export DATABASE_URL
        exec "$program" provider --addr "$provider_address" \
            --webhook-url "$url/api/payments/webhook"
    ) >"$work/provider.log" 2>&1 &
    provider=$!
    until [ -s "$work/provider.log" ]; do
        kill -0 "$provider" 2>/dev/null || fail "the payment provider ended"
        sleep 0.2
    done
}

# Writes the rules with each duration in `for` and in brackets divided by ten.
shorten='
function tenth(text, seconds) {
    seconds = text + 0
    if (text ~ /m$/) seconds *= 60
    if (text ~ /h$/) seconds *= 3600
    return int((seconds + 9) / 10) "s"
}
$1 == "for:" { sub(/[0-9]+[smh]$/, tenth($2)) }
{
    rest = $0
    line = ""
    while (match(rest, /\[[0-9]+[smh]\]/)) {
        line = line substr(rest, 1, RSTART) tenth(substr(rest, RSTART + 1, RLENGTH - 2)) "]"
        rest = substr(rest, RSTART + RLENGTH)
    }
    print line rest
}'

start_prometheus() {
    awk "$shorten" ops/prometheus-rules.yaml >"$work/prometheus-rules.yaml"
    sed "s/_interval: 10s/_interval: 1s/; s/127\.0\.0\.1:9464/$metrics/" ops/prometheus.yaml \
        >"$work/prometheus.yaml"
    promtool check config "$work/prometheus.yaml" >&2 || fail "the shortened rules are wrong"
    prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/prometheus" \
        --web.listen-address="${prometheus#http://}" --log.level=warn >"$work/prometheus.log" 2>&1 &
    collector=$!
    until curl --silent --fail --output /dev/null "$prometheus/-/ready"; do
        kill -0 "$collector" 2>/dev/null ||
            fail "Prometheus ended: $(tail -n 3 "$work/prometheus.log")"
        sleep 0.5
    done
}

# Prints the processes of the database: one for each session, and some of its own.
database_processes() {
    echo "$database"
    ps -o pid= --ppid "$database"
}

# A stopped process does not end: each is continued first.
stop_programs() {
    rm -rf "$work/held"
    # shellcheck disable=SC2046 # a number on each line
    kill -CONT ${redis:-} ${provider:-} $(database_processes) 2>/dev/null || true
    kill ${watch:-} ${crowd:-} ${shop:-} ${provider:-} ${collector:-} 2>/dev/null || true
    [ -z "${shop:-}" ] || wait "$shop" 2>/dev/null || true
    kill ${redis:-} 2>/dev/null || true
    wait
    ! mountpoint -q "$work/disk" || umount -l "$work/disk"
    [ -n "${ALERTS_DRILL_KEEP:-}" ] || rm -rf "$work"
}

# Causes each alert. Read by scripts/alerts-drill.sh.

# Products without a limit per customer: one that another session locks, and one with enough units.
locked_product=25
product=10
units=100000

# ---------------------------------------------------------------- what causes are made of

sql() {
    psql -h "$work/data/socket" -U doorbuster -d doorbuster -XqAt -v ON_ERROR_STOP=1 -c "$1"
}

# Runs $2 in a transaction that stays open, idle, until `release $1`.
hold() {
    mkdir "$work/held/$1"
    {
        printf 'BEGIN;\n%s;\n\\echo held\n' "$2"
        while [ -d "$work/held/$1" ]; do sleep 0.2; done
    } | psql -h "$work/data/socket" -U doorbuster -d doorbuster -Xq -v ON_ERROR_STOP=1 \
        >"$work/session.$1" 2>&1 &
    until grep -q '^held$' "$work/session.$1"; do
        if grep -q ERROR "$work/session.$1"; then
            fail "$1: $(cat "$work/session.$1")"
        fi
        sleep 0.1
    done
}

release() {
    rmdir "$work/held/$1"
}

# Sends $1 purchases of the product $2 by the strategy $3, at most 10 at once.
buy() {
    curl --silent --parallel --parallel-max 10 --max-time 10 --output /dev/null \
        --header 'Content-Type: application/json' --data "{\"productId\":$2}" \
        "$url/api/purchase?strategy=$3&n=[1-$1]" 2>/dev/null || true
}

# Keeps $1 purchases of the product $2 in progress until `leave`.
crowd() {
    curl --silent --parallel --parallel-immediate --parallel-max "$1" --max-time 10 \
        --output /dev/null --header 'Content-Type: application/json' \
        --data "{\"productId\":$2}" "$url/api/purchase?strategy=row-lock&n=[1-1000000]" \
        >/dev/null 2>&1 &
    crowd=$!
}

leave() {
    kill "$crowd" 2>/dev/null || true
    wait "$crowd" 2>/dev/null || true
}

# Reads a page as the visitor $1, and prints the value of its first field $3.
field() {
    curl --silent --max-time 10 --cookie "$work/$1" --cookie-jar "$work/$1" \
        --header 'Accept: text/html' "$url$2" |
        grep -o "name=\"$3\" value=\"[^\"]*\"" | sed -n '1s/.*value="//; 1s/"$//p'
}

# Posts the form $2 as the visitor $1, with these fields.
post() {
    try_to_post "$@" || fail "the form $2 was refused"
}

# Forms name the page that they are on.
try_to_post() {
    visitor=$1 form=$2
    shift 2
    for pair in "$@"; do
        set -- "$@" --data-urlencode "$pair"
        shift
    done
    curl --silent --fail --max-time 10 --output /dev/null --cookie "$work/$visitor" \
        --cookie-jar "$work/$visitor" --header 'Accept: text/html' --header "Referer: $url/form" \
        "$@" "$url/api/form/$form"
}

# Enters the checkout as the visitor $1, with a unit of $product.
enter_checkout() {
    key=$(field "$1" "/products/$(slug)" idempotency_key)
    post "$1" cart/buy-now "product_id=$product" 'quantity=1' "idempotency_key=$key"
}

slug() {
    sql "SELECT slug FROM product WHERE id = $product"
}

# Pays as the visitor $1, who has entered the checkout.
pay() {
    cart=$(field "$1" /checkout/now cart_id)
    post "$1" checkout/pay "cart_id=$cart" "idempotency_key=payment-of-the-drill-$1" \
        'name=Ann Buyer' 'email=ann@example.com' 'street=1 Test Street' 'postal_code=12345' \
        'city=Testford' 'country=DE' 'card_number=4242424242424242' 'card_expiry=12/40' \
        'card_cvc=123'
}

# ---------------------------------------------------------------- the causes

prepare() {
    post admin admin/login "password=$ADMIN_PASSWORD"
    post admin admin/take-stock "product_id=$product" "counted=$units" 'reason=a drill' \
        'idempotency_key=stock-take-of-the-drill'
}

# The first ones need minutes, and go on while the others are caused.
cause_alerts() {
    prepare
    lose_events
    leave_hold_unswept
    stop_provider
    stop_audits
    fill_order_queue
    lock_product
    crowd_at_locked_product
    fall_back
    await DoorbusterUnsweptHolds DoorbusterLongTransaction DoorbusterIdleInTransaction
    await DoorbusterStuckPayments DoorbusterBreakerOpen DoorbusterAuditLate DoorbusterFullAuditLate
    end_minutes
    plant_violation
    cause_deadlocks
    use_up_retries
    await DoorbusterOrdersWaiting
    release product
    stop_redis
    lock_heartbeat
    stop_database
    await DoorbusterEventsWaiting DoorbusterEventsLost
    fill_disk
    kill_server
}

# No subscriber answers, and the events of a purchase are eight days old.
lose_events() {
    post admin admin/events act=subscribe 'destination=http://127.0.0.1:9/'
    buy 1 "$product" row-lock
    begin DoorbusterEventsWaiting \
        'no subscriber has answered for eight days (the dates of the events are set back by SQL)'
    begin DoorbusterEventsLost 'the server deletes events that are eight days old'
    sql "UPDATE outbox_event SET created_at = created_at - INTERVAL '8 days'"
}

leave_hold_unswept() {
    enter_checkout shopper
    begin DoorbusterUnsweptHolds 'another session has locked the row of an expired hold'
    begin DoorbusterIdleInTransaction 'another session is idle in a transaction'
    begin DoorbusterLongTransaction 'another session stays in its transaction'
    hold hold "SELECT 1 FROM hold WHERE state = 'held' FOR UPDATE"
}

stop_provider() {
    enter_checkout payer
    begin DoorbusterStuckPayments 'the payment provider is stopped (SIGSTOP) while a shopper pays'
    begin DoorbusterBreakerOpen 'the payment provider is stopped (SIGSTOP)'
    kill -STOP "$provider"
    pay payer
}

# Both audits take an advisory lock for a round.
stop_audits() {
    begin DoorbusterAuditLate 'another session has the lock of the continuous audit'
    hold audit 'SELECT pg_advisory_xact_lock(1635083369)'
    begin DoorbusterFullAuditLate \
        'another session has the lock of the full audit, whose result is 31 hours old (by SQL)'
    hold full_audit 'SELECT pg_advisory_xact_lock(1635083366)'
    sql "UPDATE audit_result SET at = at - INTERVAL '31 hours' WHERE name = 'last'"
}

end_minutes() {
    release hold
    release audit
    release full_audit
    kill -CONT "$provider"
}

fill_order_queue() {
    if [ -z "$redis" ]; then
        for alert in OrdersWaiting OrderQueueFull DeadLetters RedisAway BreakerFlaps; do
            excuse "Doorbuster$alert" 'no redis-server'
        done
        return 0
    fi
    buy 1 "$product" redis-stream
    queue=$(in_redis --scan --pattern 'doorbuster:*:queue')
    begin DoorbusterDeadLetters 'an entry of the queue contains no order'
    in_redis XADD "$queue" '*' order 'no order' >/dev/null
    begin DoorbusterOrderQueueFull '80,001 orders are accepted (counted by hand in Redis)'
    in_redis HINCRBY "$queue:counters" accepted 80001 >/dev/null
    await DoorbusterDeadLetters DoorbusterOrderQueueFull
    in_redis HINCRBY "$queue:counters" accepted -80001 >/dev/null
}

lock_product() {
    hold product "SELECT 1 FROM stock WHERE product_id = $locked_product FOR UPDATE"
    [ -n "$redis" ] || return 0
    begin DoorbusterOrdersWaiting 'another session has locked the row that a queued order needs'
    buy 1 "$locked_product" redis-stream
}

crowd_at_locked_product() {
    for alert in PoolExhausted SlowCheckout Failures; do
        begin "Doorbuster$alert" '60 buyers wait for a row that another session has locked'
    done
    crowd 60 "$locked_product"
    await DoorbusterPoolExhausted DoorbusterSlowCheckout DoorbusterFailures
    leave
    for alert in Overload PayingRefused; do
        begin "Doorbuster$alert" '300 buyers wait for a row that another session has locked'
    done
    crowd 300 "$locked_product"
    await DoorbusterOverload DoorbusterPayingRefused
    leave
}

# Each purchase finds the row locked ten times.
fall_back() {
    begin DoorbusterFallbacks 'buyers by row-lock-nowait find the row locked'
    until [ -e "$work/fired/DoorbusterFallbacks" ]; do
        [ "$(seconds_since DoorbusterFallbacks)" -lt "$fires_max_s" ] || break
        buy 40 "$locked_product" row-lock-nowait
    done
}

plant_violation() {
    begin DoorbusterAuditViolations 'the tax of an order is changed by SQL'
    changed='id = (SELECT min(id) FROM customer_order)'
    sql "UPDATE customer_order SET tax_cents = tax_cents + 1 WHERE $changed"
    check_now
    await DoorbusterAuditViolations
    sql "UPDATE customer_order SET tax_cents = tax_cents - 1 WHERE $changed"
    check_now
}

# The page does not wait for audits that take long.
check_now() {
    try_to_post admin admin/audit || true
}

# Prints the command that buys $product under the key $1.
keyed_purchase() {
    printf "curl --silent --max-time 10 --output /dev/null --header 'Idempotency-Key: %s' " "$1"
    printf "%s '%s'" "--header 'Content-Type: application/json' --data '{\"productId\":$product}'" \
        "$url/api/purchase?strategy=row-lock"
}

# A session locks a stock row, a purchase claims its key and waits for the row, and the session
# waits for the key. It never looks for a deadlock, so the purchase fails, and is retried.
cause_deadlocks() {
    begin DoorbusterDeadlocks 'another session takes a row and a key in the wrong order'
    round=0
    until [ -e "$work/fired/DoorbusterDeadlocks" ] || [ "$round" -ge 60 ]; do
        round=$((round + 1))
        key=deadlock-of-the-drill-$round
        psql -h "$work/data/socket" -U doorbuster -d doorbuster -Xq >/dev/null 2>&1 <<END || true
BEGIN;
SET LOCAL deadlock_timeout = '1h';
SELECT 1 FROM stock WHERE product_id = $product FOR UPDATE;
\! $(keyed_purchase "$key") &
DO \$\$ BEGIN
    FOR look IN 1..200 LOOP
        EXIT WHEN EXISTS (SELECT 1 FROM pg_locks
            WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)));
        PERFORM pg_sleep(0.01);
    END LOOP;
END \$\$;
INSERT INTO idempotency_key (key, fingerprint) VALUES ('$key', repeat('0', 64));
ROLLBACK;
END
    done
}

# Each order takes longer than half a second, and is a conflict then.
use_up_retries() {
    begin DoorbusterRetriesRefused 'each order conflicts with another one after 0.6 s (a trigger)'
    sql "CREATE FUNCTION slow_conflict() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
           PERFORM pg_sleep(0.6);
           RAISE EXCEPTION USING ERRCODE = ''40001'', MESSAGE = ''a conflict of the drill''; END';
         CREATE TRIGGER slow_conflict BEFORE INSERT ON customer_order
           FOR EACH ROW EXECUTE FUNCTION slow_conflict()"
    crowd 30 "$product"
    await DoorbusterRetriesRefused
    leave
    sql 'DROP TRIGGER slow_conflict ON customer_order; DROP FUNCTION slow_conflict()'
}

# The breaker opens with the first purchases that ask a stopped Redis.
stop_redis() {
    [ -n "$redis" ] || return 0
    begin DoorbusterRedisAway 'Redis is stopped (SIGSTOP)'
    kill -STOP "$redis"
    buy 10 "$product" redis-counter
    await DoorbusterRedisAway
    kill -CONT "$redis"
    begin DoorbusterBreakerFlaps 'Redis is stopped again and again'
    round=0
    until [ -e "$work/fired/DoorbusterBreakerFlaps" ] || [ "$round" -ge 20 ]; do
        round=$((round + 1))
        kill -STOP "$redis"
        buy 10 "$product" redis-counter
        kill -CONT "$redis"
        sleep 0.6
        buy 1 "$product" redis-counter
    done
}

lock_heartbeat() {
    begin DoorbusterCannotWrite 'another session has locked the table of the heartbeats'
    hold heartbeat 'LOCK TABLE server_heartbeat IN SHARE MODE'
    await DoorbusterCannotWrite
    release heartbeat
}

stop_database() {
    begin DoorbusterDatabaseAway 'the database is stopped (SIGSTOP)'
    # shellcheck disable=SC2046 # a number on each line
    kill -STOP $(database_processes)
    buy 10 "$product" row-lock
    await DoorbusterDatabaseAway
    # shellcheck disable=SC2046
    kill -CONT $(database_processes)
}

# The disk of one table: a database that cannot write its log stops, and reports nothing.
fill_disk() {
    mkdir "$work/disk"
    if ! mount -t tmpfs -o size=8m tmpfs "$work/disk" 2>/dev/null; then
        excuse DoorbusterDiskFull 'no small disk can be mounted here (only root can)'
        return 0
    fi
    chown "$(stat -c %U "$work/data/postgres")" "$work/disk"
    sql "CREATE TABLESPACE small LOCATION '$work/disk'"
    sql 'ALTER TABLE customer_order SET TABLESPACE small'
    begin DoorbusterDiskFull 'the disk of the table of the orders is full'
    cat /dev/zero >"$work/disk/filler" 2>/dev/null || true
    until [ -e "$work/fired/DoorbusterDiskFull" ] ||
        [ "$(seconds_since DoorbusterDiskFull)" -gt 60 ]; do
        buy 50 "$product" row-lock
    done
    rm "$work/disk/filler"
}

kill_server() {
    begin DoorbusterServerDown 'the server is killed (SIGKILL)'
    begin DoorbusterNoServer 'the only server is killed (SIGKILL)'
    kill -KILL "$shop"
    await DoorbusterServerDown DoorbusterNoServer
}

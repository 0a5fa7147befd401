# Records which alert fires when, and prints the table. Read by scripts/alerts-drill.sh.
# In the folder of the drill, `caused` has the time and the words of each cause, `firing` the alerts
# that fire now, `fired` the time at which each fired after its cause, and `excused` the reason why
# an alert has no cause here.

# No alert is waited for longer. Old events are deleted every five minutes.
fires_max_s=420
# How long an earlier cause may go on firing an alert that has another one.
resolves_max_s=120

# Prints the names of the alerts that Prometheus fires now.
firing_alerts() {
    curl --silent --max-time 5 --get --data-urlencode 'query=ALERTS{alertstate="firing"}' \
        "$prometheus/api/v1/query" |
        grep -o '"alertname":"[A-Za-z]*"' | sed 's/.*:"//; s/"//' | sort -u || true
}

start_watch() {
    watch_alerts &
    watch=$!
}

watch_alerts() {
    while sleep 0.5; do
        firing_alerts >"$work/firing.now"
        for alert in $(cat "$work/firing.now"); do
            : >"$work/firing/$alert"
            [ ! -e "$work/caused/$alert" ] || [ -e "$work/fired/$alert" ] ||
                date +%s >"$work/fired/$alert"
        done
        for file in "$work/firing"/*; do
            grep -qx "${file##*/}" "$work/firing.now" || rm -f "$file"
        done
    done
}

# Says that the cause of the alert $1 begins now, in the words $2. What fires already would show
# nothing.
begin() {
    waited=0
    while [ -e "$work/firing/$1" ] && [ "$waited" -lt "$resolves_max_s" ]; do
        sleep 1
        waited=$((waited + 1))
    done
    [ ! -e "$work/firing/$1" ] || fail "$1 fires before its cause"
    say "$1: $2"
    printf '%s %s\n' "$(date +%s)" "$2" >"$work/caused/$1.new"
    mv "$work/caused/$1.new" "$work/caused/$1"
}

# Prints for how long the alert $1 has had its cause.
seconds_since() {
    echo $(($(date +%s) - $(cut -d ' ' -f 1 "$work/caused/$1")))
}

# Waits until each of these alerts has fired.
await() {
    for awaited in "$@"; do
        until [ -e "$work/fired/$awaited" ] || [ ! -e "$work/caused/$awaited" ]; do
            [ "$(seconds_since "$awaited")" -lt "$fires_max_s" ] || {
                say "$awaited does not fire"
                break
            }
            sleep 0.5
        done
    done
}

# The alert $1 is not fired here, because of $2.
excuse() {
    printf '%s\n' "$2" >"$work/excused/$1"
}

# Prints what happened to each alert of the rules. Returns 1 if one has not fired.
print_table() {
    missing=0
    printf '| alert | cause | fired after |\n|---|---|---|\n'
    for alert in $(sed -n 's/^ *- alert: //p' ops/prometheus-rules.yaml); do
        cause='no cause in this drill'
        after='**not fired**'
        if [ -e "$work/fired/$alert" ]; then
            cause=$(cut -d ' ' -f 2- "$work/caused/$alert")
            after="$(($(cat "$work/fired/$alert") - $(cut -d ' ' -f 1 "$work/caused/$alert"))) s"
        elif [ -e "$work/excused/$alert" ]; then
            cause=$(cat "$work/excused/$alert")
            after='not caused'
        else
            [ ! -e "$work/caused/$alert" ] || cause=$(cut -d ' ' -f 2- "$work/caused/$alert")
            missing=$((missing + 1))
        fi
        printf '| `%s` | %s | %s |\n' "$alert" "$cause" "$after"
    done
    [ "$missing" = 0 ] || fail "$missing alerts did not fire"
}

#!/bin/sh
# Starts or stops private servers for development and tests:
#     scripts/engines.sh ENGINE [start|stop|install]
# ENGINE is mariadb (one server), galera (a cluster of three) or redis (one Redis or Valkey, which
# this script can also just install). They listen only on 127.0.0.1, and their data is in
# DOORBUSTER_DATA/engines, with the password that all of them have. Starting what runs already prints
# its URLs again. With DOORBUSTER_ENGINES_DURABLE=no the database servers do not wait for the disk.
# `faketime install` installs a library that gives a process another clock.
# The exit code is 69 if a program is missing and cannot be installed.
set -eu

cd -- "$(dirname -- "$0")/.."

first_port=${DOORBUSTER_ENGINES_PORT:-13306}
# After the ports of the cluster.
redis_port=$((first_port + 40))
mkdir -p "${DOORBUSTER_DATA:-data}/engines"
engines=$(cd -- "${DOORBUSTER_DATA:-data}/engines" && pwd -P)
account=$(id -un)
# A server that runs as root could overwrite any file for each user of the database.
server_account=$account
[ "$(id -u)" != 0 ] || server_account=mysql

say() {
    printf '==> %s\n' "$*" >&2
}

fail() {
    printf 'engines: %s\n' "$*" >&2
    exit 1
}

# ---------------------------------------------------------------- programs

find_programs() {
    # Debian has the server in a folder that ordinary users do not search.
    PATH=$PATH:/usr/sbin:/usr/local/sbin
    provider=
    for library in /usr/lib/galera/libgalera_smm.so /usr/lib*/galera-4/libgalera_smm.so; do
        [ ! -f "$library" ] || provider=$library
    done
    missing=
    for program in mariadbd mariadb mariadb-install-db perl; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    if [ "$engine" = galera ]; then
        [ -n "$provider" ] || missing="$missing libgalera_smm.so"
        command -v rsync >/dev/null || missing="$missing rsync"
    fi
}

# Installs the packages $2… of $1 without starting the services that are part of them.
install_packages() {
    name=$1
    shift
    say "Installing $name with apt-get (once, about 1 minute); missing:$missing"
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >&2 || true
    apt-get install -y --no-install-recommends "$@" >&2 ||
        fail "apt-get could not install $name. See its messages above."
}

disable_service() {
    if command -v systemctl >/dev/null; then
        systemctl disable "$1" >/dev/null 2>&1 || true
    fi
}

need_programs() {
    find_programs
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "engines: missing:$missing. Install MariaDB 10.6 or newer, Galera 4 and rsync
(on Debian, as root: apt-get install mariadb-server galera-4 rsync), and run this again." >&2
        exit 69
    fi
    install_packages MariaDB mariadb-server galera-4 rsync
    disable_service mariadb
    find_programs
    [ -z "$missing" ] || fail "still missing after the installation:$missing"
}

# ---------------------------------------------------------------- one server, in the folder $1

# The statements are read from the standard input: the arguments of a process are visible to all.
sql() {
    printf '%s\n' "$2" |
        mariadb --no-defaults --socket="$1/server.sock" --user="$account" --skip-column-names \
            --batch 2>/dev/null
}

# Prints the password of all servers, which is generated once for each DOORBUSTER_DATA.
password() {
    if [ ! -s "$engines/password" ]; then
        (
            umask 077
            od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$engines/password.new"
        )
        mv "$engines/password.new" "$engines/password"
    fi
    cat "$engines/password"
}

pid_of() {
    pid=$(cat "$1/server.pid" 2>/dev/null) || return 1
    # After a crash, another process may have this number.
    ps -o args= -p "$pid" 2>/dev/null | grep -qF -- "--defaults-file=$1/my.cnf" || return 1
    printf '%s\n' "$pid"
}

need_free_ports() {
    for port in "$@"; do
        perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(LocalAddr => "127.0.0.1",
            LocalPort => shift, Listen => 1, ReuseAddr => 1) ? 0 : 1)' "$port" ||
            fail "port $port on 127.0.0.1 is in use by another program.
Stop it, or set DOORBUSTER_ENGINES_PORT to the first of 40 free ports."
    done
}

# Writes the options that every server has; $2 is its port.
write_options() {
    # A server that starts deletes the temporary tables of all others in the same folder.
    mkdir -p "$1/data" "$1/tmp"
    cat >"$1/my.cnf" <<END
[mariadbd]
datadir = $1/data
tmpdir = $1/tmp
socket = $1/server.sock
pid-file = $1/server.pid
log-error = $1/error.log
secure-file-priv = $1
bind-address = 127.0.0.1
port = $2
skip-name-resolve
character-set-server = utf8mb4
max-connections = 1000
innodb-buffer-pool-size = 256M
END
    if [ "${DOORBUSTER_ENGINES_DURABLE-}" = no ]; then
        # Changes of the schema wait for the disk too, and each test begins with sixty.
        printf '%s\n' 'innodb-flush-log-at-trx-commit = 0' 'innodb-doublewrite = OFF' \
            'innodb-flush-method = nosync' 'loose-debug-no-sync' >>"$1/my.cnf"
    fi
    if [ "$server_account" != "$account" ]; then
        echo "user = $server_account" >>"$1/my.cnf"
        chown -R "$server_account" "$1"
        su -s /bin/sh "$server_account" -c "test -w '$1/data'" ||
            fail "the user $server_account, as whom the server runs, cannot reach $1.
Set DOORBUSTER_DATA to a folder that it can reach."
    fi
}

create_data() {
    [ ! -d "$1/data/mysql" ] || return 0
    say "Creating the data folder $1/data"
    mariadb-install-db --no-defaults --user="$server_account" --datadir="$1/data" \
        --tmpdir="$1/tmp" --skip-test-db \
        --auth-root-authentication-method=socket --auth-root-socket-user="$account" \
        >"$1/install.log" 2>&1 || fail "mariadb-install-db failed. See $1/install.log"
}

# Starts the server and waits until $2, a query, returns $3; further arguments are options.
launch() {
    folder=$1 query=$2 expected=$3
    shift 3
    rm -f "$folder/server.pid"
    nohup mariadbd --defaults-file="$folder/my.cnf" "$@" \
        >/dev/null 2>>"$folder/error.log" </dev/null &
    launched=$!
    tries=0
    until [ "$(sql "$folder" "$query")" = "$expected" ]; do
        kill -0 "$launched" 2>/dev/null ||
            fail "the server ended while it started. The end of $folder/error.log:
$(tail -n 15 "$folder/error.log")"
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] ||
            fail "the server is not ready after two minutes. See $folder/error.log"
        sleep 0.2
    done
}

# For TCP, and for the unix socket, which the benchmark uses. An account that exists gets the
# password, because a server may be older than the file.
create_user() {
    secret=$(password)
    sql "$1" "
        CREATE USER IF NOT EXISTS doorbuster@'127.0.0.1' IDENTIFIED BY '$secret',
            doorbuster@localhost IDENTIFIED BY '$secret';
        ALTER USER doorbuster@'127.0.0.1' IDENTIFIED BY '$secret',
            doorbuster@localhost IDENTIFIED BY '$secret';
        GRANT ALL ON *.* TO doorbuster@'127.0.0.1', doorbuster@localhost;
        CREATE DATABASE IF NOT EXISTS doorbuster CHARACTER SET utf8mb4;" ||
        fail "the user could not be created. See $1/error.log"
}

print_url() {
    echo "DATABASE_URL=mysql://doorbuster:$(password)@127.0.0.1:$1/doorbuster"
}

stop_server() {
    pid=$(pid_of "$1") || return 0
    say "Stopping the server in $1"
    kill "$pid"
    tries=0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] ||
            fail "process $pid has not ended after two minutes. See $1/error.log"
        sleep 0.2
    done
}

# ---------------------------------------------------------------- mariadb

start_mariadb() {
    folder=$engines/mariadb
    if ! pid_of "$folder" >/dev/null; then
        need_free_ports "$first_port"
        write_options "$folder" "$first_port"
        create_data "$folder"
        say "Starting MariaDB"
        launch "$folder" 'SELECT 1' 1
    fi
    create_user "$folder"
    print_url "$(sql "$folder" 'SELECT @@port')"
}

stop_mariadb() {
    stop_server "$engines/mariadb"
}

# ---------------------------------------------------------------- galera

node_folder() {
    echo "$engines/galera/node$1"
}

# A node has four ports: for clients, for the group, and for the two ways in which it receives the
# state from another node.
write_node_options() {
    node=$1 folder=$(node_folder "$1")
    group=127.0.0.1:$((first_port + 11)),127.0.0.1:$((first_port + 12))
    group=$group,127.0.0.1:$((first_port + 13))
    receive="gmcast.listen_addr=tcp://127.0.0.1:$((first_port + 10 + node))"
    receive="$receive;ist.recv_addr=127.0.0.1:$((first_port + 20 + node))"
    write_options "$folder" "$((first_port + node))"
    cat >>"$folder/my.cnf" <<END
binlog-format = ROW
innodb-autoinc-lock-mode = 2
wsrep-on = ON
wsrep-provider = $provider
wsrep-cluster-name = doorbuster
wsrep-cluster-address = gcomm://$group
wsrep-node-name = node$node
wsrep-node-address = 127.0.0.1
wsrep-provider-options = "$receive"
wsrep-sst-method = rsync
wsrep-sst-receive-address = 127.0.0.1:$((first_port + 30 + node))
END
}

# Prints the position up to which a node that is not running has stored the cluster's changes.
recovered_position() {
    folder=$(node_folder "$1")
    mariadbd --defaults-file="$folder/my.cnf" --wsrep-recover --log-error="$folder/recover.log" \
        >/dev/null 2>&1 || true
    position=$(sed -n 's/.*Recovered position: .*:\(-\{0,1\}[0-9]*\)$/\1/p' "$folder/recover.log" |
        tail -n 1)
    rm -f "$folder/recover.log"
    echo "${position:--1}"
}

# Prints the node that has to start first: the one that stopped last or, if all were killed, the one
# that has stored the most.
first_node() {
    for node in 1 2 3; do
        state=$(node_folder "$node")/data/grastate.dat
        if grep -q '^safe_to_bootstrap: 1' "$state" 2>/dev/null; then
            echo "$node"
            return
        fi
    done
    best=1 best_position=-2
    for node in 1 2 3; do
        [ -f "$(node_folder "$node")/data/grastate.dat" ] || continue
        position=$(recovered_position "$node")
        if [ "$position" -gt "$best_position" ]; then
            best=$node best_position=$position
        fi
    done
    echo "$best"
}

start_node() {
    node=$1
    shift
    folder=$(node_folder "$node")
    say "Starting node $node"
    launch "$folder" "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS
        WHERE VARIABLE_NAME = 'WSREP_LOCAL_STATE_COMMENT'" Synced "$@"
}

start_first_node() {
    first=$(first_node)
    state=$(node_folder "$first")/data/grastate.dat
    [ ! -f "$state" ] || sed -i.old 's/^safe_to_bootstrap: 0/safe_to_bootstrap: 1/' "$state"
    start_node "$first" --wsrep-new-cluster
}

wait_for_cluster() {
    for node in 1 2 3; do
        tries=0
        until [ "$(status_of "$node" WSREP_CLUSTER_SIZE)" = 3 ] &&
            [ "$(status_of "$node" WSREP_LOCAL_STATE_COMMENT)" = Synced ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 300 ] || fail "node $node has not joined the other two after a minute.
See $(node_folder "$node")/error.log"
            sleep 0.2
        done
    done
}

# Prints the value of a status variable of a node.
status_of() {
    sql "$(node_folder "$1")" "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS
        WHERE VARIABLE_NAME = '$2'"
}

# Nodes that have lost the majority wait for exactly those that they have lost. If no running node
# belongs to a majority, the cluster starts from the beginning.
stop_without_majority() {
    running=
    for node in 1 2 3; do
        pid_of "$(node_folder "$node")" >/dev/null || continue
        [ "$(status_of "$node" WSREP_CLUSTER_STATUS)" != Primary ] || return 0
        running="$running $node"
    done
    [ -n "$running" ] || return 0
    say "The running nodes ($running ) have lost the majority of the cluster"
    stop_galera
}

start_galera() {
    stop_without_majority
    absent= running=
    for node in 1 2 3; do
        if pid_of "$(node_folder "$node")" >/dev/null; then
            running="$running $node"
        else
            absent="$absent $node"
        fi
    done
    for node in $absent; do
        need_free_ports "$((first_port + node))" "$((first_port + 10 + node))" \
            "$((first_port + 20 + node))" "$((first_port + 30 + node))"
        write_node_options "$node"
        create_data "$(node_folder "$node")"
    done
    [ -n "$running" ] || start_first_node
    for node in $absent; do
        pid_of "$(node_folder "$node")" >/dev/null || start_node "$node"
    done
    wait_for_cluster
    create_user "$(node_folder 1)"
    nodes=
    for node in 1 2 3; do
        port=$(sql "$(node_folder "$node")" 'SELECT @@port')
        print_url "$port"
        nodes=$nodes${nodes:+,}127.0.0.1:$port
    done
    echo "DATABASE_NODES=$nodes"
}

# In this order, so that the first node stops last and has every change.
stop_galera() {
    for node in 3 2 1; do
        stop_server "$(node_folder "$node")"
    done
}

# ---------------------------------------------------------------- redis

# Sets the server's program and its client: Redis, or Valkey, which speaks the same protocol.
find_redis() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin
    redis_server= redis_client=
    for program in redis valkey; do
        if command -v "$program-server" >/dev/null && command -v "$program-cli" >/dev/null; then
            redis_server=$program-server redis_client=$program-cli
            return
        fi
    done
}

need_redis() {
    find_redis
    [ -z "$redis_server" ] || return 0
    missing=' redis-server'
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } ||
        fail "missing: redis-server or valkey-server. Install Redis 7 or Valkey
(on Debian, as root: apt-get install redis-server), and run this again."
    install_packages Redis redis-server
    disable_service redis-server
    find_redis
    [ -n "$redis_server" ] || fail "still missing after the installation: redis-server"
}

# Sends a command and prints its answer. The client reads both from its standard input: the arguments
# of a process are visible to all. A server without a password answers the command, too.
redis() {
    printf 'AUTH %s\n%s\n' "$(password)" "$*" |
        "$redis_client" -h 127.0.0.1 -p "$redis_port" 2>/dev/null | tail -n 1
}

redis_pid() {
    pid=$(cat "$1/server.pid" 2>/dev/null) || return 1
    # After a crash, another process may have this number. The server shows its port in its name.
    ps -o args= -p "$pid" 2>/dev/null | grep -qF -- "127.0.0.1:$redis_port" || return 1
    printf '%s\n' "$pid"
}

# Every write is on disk before it is answered.
write_redis_options() {
    mkdir -p "$1"
    (
        umask 077
        cat >"$1/redis.conf.new" <<END
bind 127.0.0.1
port $redis_port
requirepass $(password)
daemonize yes
save ""
appendonly yes
appendfsync always
dir "$1"
pidfile "$1/server.pid"
logfile "$1/server.log"
END
    )
    mv "$1/redis.conf.new" "$1/redis.conf"
}

start_redis() {
    folder=$engines/redis
    if ! redis_pid "$folder" >/dev/null; then
        [ -z "$(redis PING)" ] ||
            fail "another Redis uses port $redis_port on 127.0.0.1.
Stop it, or set DOORBUSTER_ENGINES_PORT to the first of 41 free ports."
        write_redis_options "$folder"
        say "Starting $redis_server"
        "$redis_server" "$folder/redis.conf" >/dev/null ||
            fail "$redis_server does not start. See $folder/server.log"
        tries=0
        until [ "$(redis PING)" = PONG ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 300 ] ||
                fail "$redis_server is not ready after a minute. See $folder/server.log"
            sleep 0.2
        done
    fi
    # A server may be older than the file.
    [ "$(redis CONFIG SET requirepass "$(password)")" = OK ] ||
        fail "the password could not be set. See $folder/server.log"
    echo "REDIS_URL=redis://default:$(password)@127.0.0.1:$redis_port/0"
}

stop_redis() {
    pid=$(redis_pid "$engines/redis") || return 0
    say "Stopping the server in $engines/redis"
    kill "$pid"
    tries=0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "process $pid has not ended after a minute"
        sleep 0.2
    done
}

# ---------------------------------------------------------------- faketime

need_faketime() {
    for library in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib64/faketime/libfaketime.so.1; do
        [ ! -f "$library" ] || return 0
    done
    missing=' libfaketime.so.1'
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } ||
        fail "missing: libfaketime.so.1. Install libfaketime
(on Debian, as root: apt-get install libfaketime), and run this again."
    install_packages libfaketime libfaketime
}

# ---------------------------------------------------------------- command

engine=${1-}
case "$engine ${2-start}" in
'mariadb start' | 'galera start')
    need_programs
    "start_$engine"
    ;;
'redis start')
    need_redis
    start_redis
    ;;
'redis install') need_redis ;;
'faketime install') need_faketime ;;
'mariadb stop' | 'galera stop' | 'redis stop') "stop_$engine" ;;
*) fail "usage: scripts/engines.sh mariadb|galera|redis [start|stop], or redis|faketime install" ;;
esac

#!/usr/bin/env bash
# Starts a throw-away PostgreSQL for the store tests and prints the address to export; `stop` ends it.
# usage: eval "$(tools/test-postgres.sh start)"; npm test; tools/test-postgres.sh stop
set -euo pipefail
dir="${TMPDIR:-/tmp}/slipway-test-postgres"
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[ -n "$bin" ] || bin=$(dirname "$(command -v postgres || echo /nowhere/postgres)")
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
case "${1:-start}" in
  start)
    if [ ! -x "$bin/postgres" ]; then echo "# no PostgreSQL on this machine"; exit 0; fi
    port=$(cat "$dir/port" 2>/dev/null || true)
    if [ -n "$port" ] && as "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
      echo "export SLIPWAY_TEST_DATABASE_URL=postgres://slipway@127.0.0.1:$port/postgres"; exit 0
    fi
    rm -rf "$dir"; mkdir -p "$dir"
    [ "$(id -u)" = 0 ] && chown postgres "$dir"
    port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
    as "$bin/initdb" -D "$dir/data" -U slipway -A trust -E UTF8 --locale=C >/dev/null
    as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c fsync=off -c max_connections=200" start >/dev/null
    echo "$port" > "$dir/port"
    echo "export SLIPWAY_TEST_DATABASE_URL=postgres://slipway@127.0.0.1:$port/postgres" ;;
  stop) as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir" ;;
esac

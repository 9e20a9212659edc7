#!/usr/bin/env bash
# Fetches promtool, Prometheus' own judge of metric pages, and prints the line that names it: eval "$(tools/conformance-promtool.sh)".
# Only that program is taken out of Debian's package: nothing is installed and no service is started. Kept in .cache/. Without
# apt-get it says so on stderr and prints nothing: the suite that needs it then skips and says that it does.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="$PWD/.cache/promtool"
promtool="$cache/usr/bin/promtool"

if installed=$(command -v promtool); then promtool="$installed"; fi
if ! "$promtool" --version >/dev/null 2>&1; then
  fetch() {
    rm -rf "$cache" && mkdir -p "$cache" && cd "$cache"
    # A fresh machine knows no packages until it has asked.
    apt-get download -qq -o APT::Sandbox::User=root prometheus >&2 || { apt-get update -qq >&2 && apt-get download -qq -o APT::Sandbox::User=root prometheus >&2; } || return 1
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && rm -f prometheus_*.deb
  }
  if ! (fetch) || ! "$promtool" --version >/dev/null 2>&1; then
    echo "no promtool: Debian's package prometheus could not be fetched; the suite of the metrics page will say that it skips" >&2
    exit 0
  fi
fi
echo "export SLIPWAY_PROMTOOL='$promtool'"

#!/usr/bin/env bash
# Makes a Python environment with the foreign clients and reference implementations that `npm run conformance` uses, and prints
# the line that names it: eval "$(tools/conformance-python.sh)". Kept in .cache/ and made again when the requirements change.
# Without Python 3 or a package index it says so on stderr and prints nothing: those suites then skip and say that they do.
#   tools/conformance-python.sh [REQUIREMENTS]    default: conformance/requirements.txt
set -euo pipefail
cd "$(dirname "$0")/.."
requirements="${1:-conformance/requirements.txt}"
environment="$PWD/.cache/$(basename "$requirements" .txt)"
mark="$environment/installed.txt"
python="${PYTHON:-python3}"

if ! cmp -s "$requirements" "$mark"; then
  rm -rf "$environment"
  if ! "$python" -m venv "$environment" >&2; then
    echo "no Python environment: python3 with its venv module is not there; suites with foreign Python packages will say that they skip" >&2
    exit 0
  fi
  if ! "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2; then
    echo "no Python packages: pip could not install $requirements; suites with foreign Python packages will say that they skip" >&2
    rm -rf "$environment"
    exit 0
  fi
  cp "$requirements" "$mark"
fi
echo "export SLIPWAY_REFERENCE_PYTHON='$environment/bin/python'"

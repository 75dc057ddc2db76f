#!/bin/sh
# Make .venv from requirements.lock, once per lock; the second time it does nothing.
# Dependencies come by hash, as wheels only; the project itself is installed editable.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.stamp
now=$(cat requirements.lock pyproject.toml | cksum)
if [ -x .venv/bin/diqi ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
  exit 0
fi

version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=none
case $version in
  3.11 | 3.12 | 3.13) ;;
  *)
    echo "python3 on PATH is $version; the locked wheels are for Python 3.11, 3.12 and 3.13." >&2
    echo "Put one of them first on PATH and run make setup again." >&2
    exit 3
    ;;
esac

rm -f "$stamp"
# an environment that works is brought up to date in place: somebody may be using it
if ! .venv/bin/python -c "import pip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" \
  2>/dev/null; then
  echo "+ python3 ($version) -m venv .venv"
  python3 -m venv --clear .venv
fi
echo "+ .venv/bin/pip install --require-hashes -r requirements.lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
  --require-hashes --only-binary :all: -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
  --no-index --no-deps --no-build-isolation --editable .
printf '%s' "$now" >"$stamp"

#!/bin/sh
# Install what only the distribution can give, and only what is missing.
#
#   install-system-packages.sh base      PostGIS (unless DIQI_DATABASE_URL names one), venv
#   install-system-packages.sh clients   QGIS's Python, for the client tests
#   install-system-packages.sh bench     ogr2ogr, a peer of the benchmark
#
# Never asks a question. Exits 3 where it may not install, after saying what to do.
set -eu

part=${1:-base}
wanted=""

want() { wanted="$wanted $1"; }

has_postgis() {
  for control in /usr/share/postgresql/*/extension/postgis.control; do
    [ -e "$control" ] || continue
    version=${control#/usr/share/postgresql/}
    version=${version%%/*}
    [ -x "/usr/lib/postgresql/$version/bin/initdb" ] && return 0
  done
  return 1
}

postgis_package() {
  # the newest one that this distribution has
  apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' |
    sed 's/ .*//' | sort -t- -k2,2n | tail -n 1
}

case $part in
  base)
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then want python3-venv; fi
    if [ -z "${DIQI_DATABASE_URL:-}" ] && ! has_postgis; then want postgis; fi
    ;;
  clients)
    for package in python3-qgis qgis-providers fonts-wqy-microhei; do
      dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        want "$package"
    done
    ;;
  bench)
    command -v ogr2ogr >/dev/null 2>&1 || want gdal-bin
    ;;
  *)
    echo "usage: $0 base|clients|bench" >&2
    exit 2
    ;;
esac

[ -n "$wanted" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo "

say_how() {
  case $part in
    clients) echo "$1 The client tests need:$wanted" >&2; exit 3 ;;
    bench) echo "$1 The benchmark needs:$wanted" >&2; exit 3 ;;
  esac
  packages=$(printf '%s' "$wanted" | sed 's/ postgis/ postgresql-15-postgis-3 postgis/')
  cat >&2 <<TEXT
Missing on this machine:$wanted
$1
Any of these three mends it:
  1. ${as_root}apt-get update && ${as_root}apt-get install -y --no-install-recommends$packages
     (Debian 12; elsewhere the packages have similar names)
  2. docker compose --file docker/compose.yaml up
  3. a PostGIS that is already there: export DIQI_DATABASE_URL=postgresql://user@host/database
     (its administrator runs what \`diqi server prepare-sql\` prints; python3-venv is still needed)
TEXT
  exit 3
}

command -v apt-get >/dev/null 2>&1 || say_how "This is not Debian or a relative of it."
if [ -n "$as_root" ] && ! sudo -n true 2>/dev/null; then
  say_how "Installing needs root, and sudo would ask for a password."
fi

run() {
  echo "+ ${as_root}$*"
  if [ -n "$as_root" ]; then
    sudo -n env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
  else
    env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
  fi
}

run apt-get update -qq || say_how "apt-get update failed."

case " $wanted " in
  *" postgis "*)
    package=$(postgis_package)
    [ -n "$package" ] || say_how "This distribution has no package of PostGIS 3."
    wanted="$wanted $package"
    # the clusters of this program are its own: none is wanted at boot
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      run mkdir -p /etc/postgresql-common
      run sh -c 'echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf'
    fi
    ;;
esac

# shellcheck disable=SC2086 - a list of words
run apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $wanted || say_how "apt-get install failed."

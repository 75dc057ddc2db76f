#!/bin/sh
# Run what `diqi server prepare-sql` prints as the administrator, and set the login's password.
# PGHOST, PGUSER and PGPASSWORD are the administrator's; DIQI_PASSWORD is the login's.
set -eu

diqi server prepare-sql >/tmp/prepare.sql
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/tmp/prepare.sql
# by environment and quoting of psql, so that the password is in no command line
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 <<'SQL'
\getenv password DIQI_PASSWORD
ALTER ROLE diqi PASSWORD :'password';
SQL

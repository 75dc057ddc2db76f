#!/bin/sh
# Run `diqi nightly` each day at DIQI_NIGHTLY_AT; a night that fails is tried again the next.
set -eu

at=${DIQI_NIGHTLY_AT:-02:00}
trap 'exit 0' TERM INT

while :; do
  now=$(date +%s)
  next=$(date --date="today $at" +%s)
  [ "$next" -gt "$now" ] || next=$(date --date="tomorrow $at" +%s)
  echo "next run at $(date --date="@$next" --iso-8601=minutes)"
  sleep $((next - now)) &
  wait $!
  diqi nightly || echo "this night ended with exit code $?" >&2
done

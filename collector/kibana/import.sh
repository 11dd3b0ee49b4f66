#!/bin/sh
# Imports the objects beside this file into the Kibana at $KIBANA_URL, with links to the Jaeger at $JAEGER_URL; those that
# are there already are replaced.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
objects=$(mktemp)
trap 'rm -f "$objects"' EXIT
sed "s|http://localhost:16686|${JAEGER_URL:-http://localhost:16686}|g" "$here/objects.ndjson" >"$objects"
answer=$(
  { [ -z "${ELASTICSEARCH_USER:-}" ] || printf 'user = "%s:%s"\n' "$ELASTICSEARCH_USER" "$ELASTICSEARCH_PASSWORD"; } |
    curl --fail-with-body --silent --show-error --config - -H 'kbn-xsrf: true' \
      --form "file=@$objects;filename=objects.ndjson" \
      "${KIBANA_URL:-http://localhost:5601}/api/saved_objects/_import?overwrite=true"
) || { echo "$answer" >&2; exit 1; }
case "$answer" in
  *'"success":true'*) echo "imported $(wc -l <"$objects") objects" ;;
  *) echo "$answer" >&2; exit 1 ;;  # refused objects are told with status 200
esac

#!/bin/sh
# Installs the templates beside this file into the Elasticsearch at $ELASTICSEARCH_URL, as $ELASTICSEARCH_USER if it has
# users. They must be there before the first document: without a data stream template the exporter's documents are refused
# and lost.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
url=${ELASTICSEARCH_URL:-http://127.0.0.1:9200}

login() {
  [ -z "${ELASTICSEARCH_USER:-}" ] || printf 'user = "%s:%s"\n' "$ELASTICSEARCH_USER" "$ELASTICSEARCH_PASSWORD"
}

for kind in component index; do
  for file in "$here/$kind"/*.json; do
    name=$(basename "$file" .json)
    login | curl --fail --silent --show-error --output /dev/null -X PUT -H 'Content-Type: application/json' \
      --config - --data-binary "@$file" "$url/_${kind}_template/$name"
    echo "installed $kind template $name"
  done
done

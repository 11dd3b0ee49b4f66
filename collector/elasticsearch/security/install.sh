#!/bin/sh
# Gives each program that writes or reads logs a user of its own, with as little right as it takes. Run by compose with
# the password of the user `elastic`; not used by the node that `bento-observe stack up` builds, which has no users.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
url=${ELASTICSEARCH_URL:?}

send() { # method, path, the document on standard input
  # The password is nobody's to see: it is no argument of the command.
  { printf 'user = "%s:%s"\ndata-binary = "' "$ELASTICSEARCH_USER" "$ELASTICSEARCH_PASSWORD"
    sed 's/\\/\\\\/g; s/"/\\"/g' | tr -d '\n'
    printf '"\n'
  } | curl --fail --silent --show-error --output /dev/null -X "$1" -H 'Content-Type: application/json' \
    --config - "$url/_security/$2"
  echo "$2"
}

for file in "$here"/roles/*.json; do
  send PUT "role/$(basename "$file" .json)" <"$file"
done
send PUT user/collector <<END
{"roles": ["bento-observe-writer"], "password": "$COLLECTOR_PASSWORD"}
END
send PUT user/grafana <<END
{"roles": ["bento-observe-reader"], "password": "$GRAFANA_PASSWORD"}
END
send PUT user/kibana_system/_password <<END
{"password": "$KIBANA_SYSTEM_PASSWORD"}
END

#!/bin/sh
# Prints alertmanager.yaml with the receivers that the environment names. Secrets are best given as files: those are read
# by Alertmanager at each message, and appear nowhere else.
#
#   ALERT_WEBHOOK_URL or ALERT_WEBHOOK_URL_FILE
#   ALERT_SLACK_URL or ALERT_SLACK_URL_FILE, and ALERT_SLACK_CHANNEL
#   ALERT_EMAIL_TO, ALERT_EMAIL_FROM, ALERT_SMTP_HOST (host:port),
#   and where it wants a log-in ALERT_SMTP_USER, ALERT_SMTP_PASSWORD or ALERT_SMTP_PASSWORD_FILE
#   ALERT_GROUP_WAIT, ALERT_GROUP_INTERVAL, ALERT_REPEAT_INTERVAL
#
# ALERT_PAGE_... and ALERT_TICKET_... are for one severity, and go before ALERT_... . A dead man's switch is told every
# minute that there is somebody who tells, by ALERT_WATCHDOG_WEBHOOK_URL or ALERT_WATCHDOG_WEBHOOK_URL_FILE, and nobody else.
set -eu

setting() { # severity, name
  upper=$(printf %s "$1" | tr '[:lower:]' '[:upper:]')
  if [ "$1" = watchdog ]; then eval "printf %s \"\${ALERT_WATCHDOG_$2:-}\""; return; fi
  eval "printf %s \"\${ALERT_${upper}_$2:-\${ALERT_$2:-}}\""
}

quoted() { # as YAML's single-quoted text
  printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"
}

entry() { # key, value: a line, if there is a value
  [ -z "$2" ] || printf '        %s: %s\n' "$1" "$(quoted "$2")"
}

notifiers() { # severity
  url=$(setting "$1" WEBHOOK_URL) file=$(setting "$1" WEBHOOK_URL_FILE)
  if [ -n "$url$file" ]; then
    # That it is over is no sign of life.
    resolved=true && [ "$1" != watchdog ] || resolved=false
    printf '    webhook_configs:\n      - send_resolved: %s\n' "$resolved"
    if [ -n "$file" ]; then entry url_file "$file"; else entry url "$url"; fi
  fi
  [ "$1" != watchdog ] || return 0
  url=$(setting "$1" SLACK_URL) file=$(setting "$1" SLACK_URL_FILE)
  if [ -n "$url$file" ]; then
    printf '    slack_configs:\n      - send_resolved: true\n'
    if [ -n "$file" ]; then entry api_url_file "$file"; else entry api_url "$url"; fi
    entry channel "$(setting "$1" SLACK_CHANNEL)"
    entry title '{{ template "bento_observe.title" . }}'
    entry text '{{ template "bento_observe.text" . }}'
  fi
  to=$(setting "$1" EMAIL_TO)
  if [ -n "$to" ]; then
    printf '    email_configs:\n      - send_resolved: true\n'
    entry to "$to"
    entry from "$(setting "$1" EMAIL_FROM)"
    entry smarthost "$(setting "$1" SMTP_HOST)"
    entry auth_username "$(setting "$1" SMTP_USER)"
    file=$(setting "$1" SMTP_PASSWORD_FILE)
    if [ -n "$file" ]; then entry auth_password_file "$file"; else entry auth_password "$(setting "$1" SMTP_PASSWORD)"; fi
    printf '        headers:\n          Subject: %s\n' "$(quoted '{{ template "bento_observe.title" . }}')"
    # No HTML of Alertmanager's own beside the text.
    printf '        html: %s\n' "''"
    entry text '{{ template "bento_observe.text" . }}'
  fi
}

waits() { # the line, with the wait that the environment has for it, if any
  key=$(printf %s "$1" | sed -n 's/^ *\([a-z_]*\): .*/\1/p')
  case "$key" in
    group_wait | group_interval | repeat_interval)
      value=$(setting none "$(printf %s "$key" | tr '[:lower:]' '[:upper:]')")
      if [ -n "$value" ]; then printf '%s%s: %s\n' "$(printf %s "$1" | sed 's/[a-z].*//')" "$key" "$value"; return; fi
      ;;
  esac
  printf '%s\n' "$1"
}

while IFS= read -r line; do
  waits "$line"
  case "$line" in
    '  - name: '*) notifiers "${line#  - name: }" ;;
  esac
done <"$(dirname "$0")/alertmanager.yaml"

#!/bin/sh
# Requests a reply from the newest revision of a Cloud Run service, and only then gives it the traffic.
#
# Environment: SERVICE, PROJECT, REGION. IMAGE is deployed first; if it does not reply, the service gets its previous image
# back, so that a later `terraform apply` deploys nothing that failed. ACCOUNT is a service account that may call the service,
# for callers without an identity token of their own, and for all with IMPERSONATE=true. API_KEY_SECRET is the secret with the
# key, or none. SMOKE_TEST=false skips the request.
#
# Identity-Aware Proxy takes no identity token, but a JWT that ACCOUNT has signed for the URL.
set -eu

services() {
  gcloud run services "$@" "$SERVICE" --project="$PROJECT" --region="$REGION" --quiet
}

deploy() {
  gcloud run deploy "$SERVICE" --project="$PROJECT" --region="$REGION" --image="$1" --no-traffic --quiet
}

previous=""
reply=$(mktemp)
finish() {
  status=$?
  rm -f "$reply"
  if [ "$status" != 0 ]; then
    services update-traffic --remove-tags=candidate || true # a tag keeps its revision reachable
    [ -z "$previous" ] || deploy "$previous" || true
    echo "The newest revision of $SERVICE failed its test. $SERVICE serves the same revision as before." >&2
  fi
  exit "$status"
}
trap finish EXIT

if [ -n "${IMAGE:-}" ]; then
  previous=$(services describe --format='value(spec.template.spec.containers[0].image)')
  deploy "$IMAGE"
fi
revision=$(services describe --format='value(status.latestCreatedRevisionName)')

if [ "${SMOKE_TEST:-true}" = true ]; then
  # The tag is set on its own: `gcloud run deploy --tag` would name the revision in the service's template, and each later
  # plan of Terraform would remove the name again.
  services update-traffic --update-tags="candidate=$revision"

  url=$(services describe --format='value(status.url)')
  candidate="https://candidate---${url#https://}"
  iap=$(services describe --format='value(metadata.annotations."run.googleapis.com/iap-enabled")')
  if [ "$iap" = true ]; then
    token=$(ACCOUNT="$ACCOUNT" URL="$candidate" sh "$(dirname "$0")/iap_token.sh")
    set -- --header "Authorization: Bearer $token"
    # A new grant takes up to two minutes. Until then, no request reaches the revision.
    tries=0
    while [ "$tries" -lt 12 ] && ! curl --silent --fail --max-time 60 --output /dev/null "$@" "$candidate/health/live"; do
      tries=$((tries + 1))
      sleep 10
    done
  else
    # The token is valid for the service, and thus for each of its revisions. A service account needs itself named.
    token=""
    if [ -z "${IMPERSONATE:-}" ]; then
      token=$(gcloud auth print-identity-token) || token=""
    fi
    [ -n "$token" ] || token=$(gcloud auth print-identity-token --impersonate-service-account="$ACCOUNT" --audiences="$url")
    key=none
    if [ "${API_KEY_SECRET:-none}" != none ]; then
      key=$(gcloud secrets versions access latest --project="$PROJECT" --secret="$API_KEY_SECRET")
    fi
    set -- --header "X-Serverless-Authorization: Bearer $token" --header "Authorization: Bearer $key"
  fi

  # The request begins with a cold start; the stream reports its progress.
  curl --no-buffer --silent --show-error --fail --max-time 900 "$@" \
    --header "Content-Type: application/json" \
    --data '{"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16, "stream": true}' \
    "$candidate/v1/chat/completions" > "$reply"
  cat "$reply"
  # Complete, and with at least one piece of text.
  grep -q '^data: \[DONE\]' "$reply"
  grep -q '"content": *"[^"]' "$reply"
  services update-traffic --to-revisions="$revision=100" --remove-tags=candidate
else
  services update-traffic --to-revisions="$revision=100"
fi

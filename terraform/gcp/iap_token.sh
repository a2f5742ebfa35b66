#!/bin/sh
# Prints a JWT with which the service account ACCOUNT passes Identity-Aware Proxy at URL, for an hour. The caller needs the role
# Service Account Token Creator on that account.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
now=$(date +%s)
printf '{"iss": "%s", "sub": "%s", "aud": "%s/*", "iat": %d, "exp": %d}' \
  "$ACCOUNT" "$ACCOUNT" "${URL%/}" "$now" "$((now + 3600))" > "$folder/claims"
gcloud iam service-accounts sign-jwt --iam-account="$ACCOUNT" --quiet "$folder/claims" "$folder/token" >&2
cat "$folder/token"

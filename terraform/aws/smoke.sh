#!/bin/sh
# Invokes a version of the function, which waits for the model, and fails without a first token.
#
# Environment: FUNCTION, VERSION, REGION; TIMEOUT_SECONDS of the function.
set -eu

report=$(mktemp)
trap 'rm -f "$report"' EXIT

aws lambda wait published-version-active --region "$REGION" --function-name "$FUNCTION" --qualifier "$VERSION"
# By default the CLI waits 60 s for the reply, and then invokes again.
aws lambda invoke --region "$REGION" --function-name "$FUNCTION" --qualifier "$VERSION" \
  --cli-read-timeout "$TIMEOUT_SECONDS" --cli-binary-format raw-in-base64-out --payload '{"source": "smoke"}' "$report"
cat "$report"
if ! grep -q '"first_token": *true' "$report"; then
  echo "Version $VERSION of $FUNCTION produces no token. The URL still calls the version before it." >&2
  exit 1
fi

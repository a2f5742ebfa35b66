#!/bin/sh
# Publishes a version of the function with another image, and moves the alias to it after its first token. If there is none,
# the function gets its previous image back, so that a later `terraform apply` moves the alias to nothing that failed.
#
# Environment: FUNCTION, REGION, IMAGE by digest; TIMEOUT_SECONDS of the function.
set -eu

lambda() {
  command=$1
  shift
  aws lambda "$command" --region "$REGION" --function-name "$FUNCTION" "$@"
}

previous=$(lambda get-function --query Code.ImageUri --output text)
VERSION=$(lambda update-function-code --image-uri "$IMAGE" --publish --query Version --output text)
export VERSION
aws lambda wait function-updated-v2 --region "$REGION" --function-name "$FUNCTION"
if ! sh "$(dirname "$0")/smoke.sh"; then
  lambda update-function-code --image-uri "$previous" > /dev/null
  lambda delete-function --qualifier "$VERSION"
  exit 1
fi
lambda update-alias --name live --function-version "$VERSION" > /dev/null
sh "$(dirname "$0")/clean.sh"
echo "Version $VERSION serves."

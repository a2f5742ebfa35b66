#!/bin/sh
# With SnapStart, deletes the versions of a function before the one that its alias names and the last one before that, which may
# still be replying: each has a stored copy, which is billed. Without SnapStart, does nothing.
#
# Environment: FUNCTION, REGION.
set -eu

lambda() {
  command=$1
  shift
  aws lambda "$command" --region "$REGION" --function-name "$FUNCTION" "$@"
}

if [ "$(lambda get-function-configuration --query SnapStart.ApplyOn --output text)" != PublishedVersions ]; then
  exit 0
fi
live=$(lambda get-alias --name live --query FunctionVersion --output text)
versions=$(lambda list-versions-by-function --query 'Versions[].Version' --output text | tr '\t' '\n' | grep -v LATEST | sort -n)
earlier=$(echo "$versions" | awk -v live="$live" '$1 < live')
for version in $(echo "$earlier" | sed '$d'); do
  # A version that cannot be deleted costs money, but is no failure of the deployment.
  lambda delete-function --qualifier "$version" || echo "Delete version $version of $FUNCTION yourself: its copy is billed." >&2
done

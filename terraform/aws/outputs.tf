locals {
  url      = one(aws_lambda_function_url.chat[*].function_url)
  registry = split("/", aws_ecr_repository.images.repository_url)[0]
  pushed   = "${aws_ecr_repository.images.repository_url}:$${TAG:?}"
}

output "url" {
  description = "URL of the function. Null with bootstrap."
  value       = local.url
}

output "bucket" {
  description = "Name of the bucket that holds the models."
  value       = aws_s3_bucket.models.bucket
}

output "image" {
  description = "Image repository to push to, without a tag."
  value       = aws_ecr_repository.images.repository_url
}

output "upload" {
  description = "Command that uploads a model; replace FILE with the path of its file."
  value       = "aws s3 cp FILE s3://${aws_s3_bucket.models.bucket}/${coalesce(var.model, "NAME.gguf")}"
}

output "model_access" {
  description = "Statement for the policy of the bucket in model_uri, if the bucket is another account's. Null without such a bucket."
  value = local.model_arn == null ? null : jsonencode({
    Sid       = "${var.name}ReadsModel"
    Effect    = "Allow"
    Principal = { AWS = aws_iam_role.run.arn }
    Action    = ["s3:GetObject", "s3:GetObjectVersion"]
    Resource  = local.model_arn
  })
}

output "push" {
  description = "Command that builds and pushes an image with a local docker, run from the repository's root, under the new tag TAG from the environment. The next apply deploys it."
  value = join(" && ", [
    "aws ecr get-login-password --region ${var.region} | docker login --username AWS --password-stdin ${local.registry}",
    join(" ", compact([
      # Lambda rejects images with attestations.
      "docker build --platform=linux/${var.architecture == "arm64" ? "arm64" : "amd64"} --provenance=false --tag=${local.pushed}",
      "--build-arg REVISION=$(git rev-parse HEAD)",
      var.baked_model == null ? null : "--build-arg MODEL=${var.baked_model == null ? "" : var.baked_model}",
      ".",
    ])),
    "docker push ${local.pushed}",
  ])
}

output "rollback" {
  description = "Command that deploys the earlier image with the tag TAG from the environment. Set image to keep it through later applies."
  value       = "terraform -chdir=terraform/aws apply -var image=${local.pushed}"
}

output "curl" {
  description = "Command that requests a streamed reply from the function."
  value = var.bootstrap ? null : join(" ", compact([
    # The keys of any login, also of a profile: curl reads none of AWS's files.
    var.access == "private" ? "eval \"$(aws configure export-credentials --format env)\" &&" : null,
    "curl -N ${local.url}chat",
    var.access == "private" ? join(" ", [
      "--aws-sigv4 aws:amz:${var.region}:lambda --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"",
      # Only for temporary credentials: curl would sign an empty header and not send it.
      "$${AWS_SESSION_TOKEN:+-H \"X-Amz-Security-Token: $AWS_SESSION_TOKEN\"}",
    ]) : null,
    # Not Authorization: that header holds the signature of a signed call.
    var.api_key_parameter == null ? null : join(" ", [
      "-H \"X-Api-Key: $(aws ssm get-parameter --region ${var.region} --name ${coalesce(var.api_key_parameter, "-")}",
      "--with-decryption --query Parameter.Value --output text)\"",
    ]),
    "-H 'Content-Type: application/json' -d '{\"prompt\": \"Hello!\"}'",
  ]))
}

output "github_variables" {
  description = "Commands that set the variables of the workflow deploy-aws with GitHub's own command line. Null without github_repository."
  value = var.github_repository == null ? null : join("\n", [
    for name, value in {
      AWS_DEPLOY_REGION   = var.region
      AWS_DEPLOY_ROLE     = one(aws_iam_role.github[*].arn)
      AWS_DEPLOY_FUNCTION = var.name
      AWS_DEPLOY_IMAGE    = aws_ecr_repository.images.repository_url
      AWS_DEPLOY_TIMEOUT  = tostring(var.timeout_seconds)
      AWS_DEPLOY_RUNNER   = var.architecture == "arm64" ? "ubuntu-24.04-arm" : "ubuntu-24.04"
    } : "gh variable set ${name} --repo ${coalesce(var.github_repository, "-")} --body '${coalesce(value, "-")}'"
  ])
}

locals {
  url      = one(aws_lambda_function_url.chat[*].function_url)
  registry = split("/", aws_ecr_repository.images.repository_url)[0]
  image    = "${aws_ecr_repository.images.repository_url}:$${TAG:?}"
}

output "url" {
  description = "The function's address. Null until there is an image."
  value       = local.url
}

output "bucket" {
  description = "The bucket that holds the models."
  value       = aws_s3_bucket.models.bucket
}

output "image" {
  description = "Where images are pushed to, without a tag."
  value       = aws_ecr_repository.images.repository_url
}

output "upload" {
  description = "Uploads a model; the path of its file goes in place of FILE."
  value       = "aws s3 cp FILE s3://${aws_s3_bucket.models.bucket}/${coalesce(var.model, "NAME.gguf")}"
}

output "push" {
  description = "Builds and pushes an image with a local docker, from the repository's root, under a new tag from TAG in the environment; notes the image for the next apply."
  value = join(" && ", [
    "aws ecr get-login-password --region ${var.region} | docker login --username AWS --password-stdin ${local.registry}",
    # Lambda takes no attestations beside the image.
    "docker build --platform=linux/${var.architecture == "arm64" ? "arm64" : "amd64"} --provenance=false --tag=${local.image} .",
    "docker push ${local.image}",
    # A later apply that did not know the image would take the function away.
    "printf 'image = \"%s\"\\n' ${local.image} > terraform/aws/image.auto.tfvars",
  ])
}

output "curl" {
  description = "Asks the function for a streamed reply."
  value = var.image == null ? null : join(" ", compact([
    "curl -N ${local.url}chat",
    var.access == "private" ? join(" ", [
      "--aws-sigv4 aws:amz:${var.region}:lambda --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"",
      "-H \"X-Amz-Security-Token: $AWS_SESSION_TOKEN\"",
    ]) : null,
    # Not in Authorization: a signed call has its signature there.
    var.api_key_parameter == null ? null : join(" ", [
      "-H \"X-Api-Key: $(aws ssm get-parameter --region ${var.region} --name ${coalesce(var.api_key_parameter, "-")}",
      "--with-decryption --query Parameter.Value --output text)\"",
    ]),
    "--json '{\"prompt\": \"Hello!\"}'",
  ]))
}

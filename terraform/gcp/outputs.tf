locals {
  # Without the image's name, a later apply would delete the service.
  record_image = "printf 'image = \"%s\"\\n' ${local.image}:latest > terraform/gcp/image.auto.tfvars"
}

output "url" {
  description = "URL of the service. Null until there is an image."
  value       = one(google_cloud_run_v2_service.chat[*].uri)
}

output "bucket" {
  description = "Name of the bucket that holds the models."
  value       = google_storage_bucket.models.name
}

output "image" {
  description = "Image repository to push to, without a tag."
  value       = local.image
}

output "upload" {
  description = "Command that uploads a model; replace FILE with the path of its file."
  value       = "gcloud storage cp FILE gs://${google_storage_bucket.models.name}/${coalesce(var.model, "NAME.gguf")}"
}

output "build" {
  description = "Command that tests, builds, pushes and (once there is a service) deploys with Cloud Build, run from the repository's root; records the image for the next apply."
  value = join(" ", [
    "gcloud builds submit --project=${var.project} --region=${var.region} --config=cloudbuild.yaml",
    "--service-account=projects/${var.project}/serviceAccounts/${google_service_account.build.email}",
    "--substitutions=_IMAGE=${local.image},_SERVICE=${var.image == null ? "none" : var.name},_REGION=${var.region},_API_KEY_SECRET=${coalesce(var.api_key_secret, "none")}",
    "&& ${local.record_image}",
  ])
}

output "push" {
  description = "Command that builds and pushes an image with a local docker, run from the repository's root; records the image for the next apply."
  value = join(" && ", [
    "gcloud auth configure-docker ${var.region}-docker.pkg.dev --quiet",
    "docker build --platform=linux/amd64 --tag=${local.image}:latest .",
    "docker push ${local.image}:latest",
    local.record_image,
  ])
}

output "curl" {
  description = "Command that requests a streamed reply from the service."
  value = var.image == null ? null : join(" ", compact([
    "curl -N ${google_cloud_run_v2_service.chat[0].uri}/chat",
    var.access == "private" ? "-H \"X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)\"" : null,
    var.api_key_secret == null ? null : "-H \"Authorization: Bearer $(gcloud secrets versions access latest --secret=${var.api_key_secret})\"",
    "--json '{\"prompt\": \"Hello!\"}'",
  ]))
}

output "proxy" {
  description = "Command that opens a private service on http://localhost:8080 with your own identity."
  value       = "gcloud run services proxy ${var.name} --project=${var.project} --region=${var.region} --port=8080"
}

locals {
  # A later apply that did not know the image would take the service away.
  note_image = "printf 'image = \"%s\"\\n' ${local.image}:latest > terraform/gcp/image.auto.tfvars"
}

output "url" {
  description = "The service's address. Null until there is an image."
  value       = one(google_cloud_run_v2_service.chat[*].uri)
}

output "bucket" {
  description = "The bucket that holds the models."
  value       = google_storage_bucket.models.name
}

output "image" {
  description = "Where images are pushed to, without a tag."
  value       = local.image
}

output "upload" {
  description = "Uploads a model; the path of its file goes in place of FILE."
  value       = "gcloud storage cp FILE gs://${google_storage_bucket.models.name}/${coalesce(var.model, "NAME.gguf")}"
}

output "build" {
  description = "Tests, builds, pushes and (once there is a service) deploys with Cloud Build, from the repository's root; notes the image for the next apply."
  value = join(" ", [
    "gcloud builds submit --project=${var.project} --region=${var.region} --config=cloudbuild.yaml",
    "--service-account=projects/${var.project}/serviceAccounts/${google_service_account.build.email}",
    "--substitutions=_IMAGE=${local.image},_SERVICE=${var.image == null ? "none" : var.name},_REGION=${var.region},_API_KEY_SECRET=${coalesce(var.api_key_secret, "none")}",
    "&& ${local.note_image}",
  ])
}

output "push" {
  description = "Builds and pushes an image with a local docker, from the repository's root; notes the image for the next apply."
  value = join(" && ", [
    "gcloud auth configure-docker ${var.region}-docker.pkg.dev --quiet",
    "docker build --platform=linux/amd64 --tag=${local.image}:latest .",
    "docker push ${local.image}:latest",
    local.note_image,
  ])
}

output "curl" {
  description = "Asks the service for a streamed reply."
  value = var.image == null ? null : join(" ", compact([
    "curl -N ${google_cloud_run_v2_service.chat[0].uri}/chat",
    var.access == "private" ? "-H \"X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)\"" : null,
    var.api_key_secret == null ? null : "-H \"Authorization: Bearer $(gcloud secrets versions access latest --secret=${var.api_key_secret})\"",
    "--json '{\"prompt\": \"Hello!\"}'",
  ]))
}

output "proxy" {
  description = "Opens a private service on http://localhost:8080, as yourself."
  value       = "gcloud run services proxy ${var.name} --project=${var.project} --region=${var.region} --port=8080"
}

locals {
  # Build arguments that follow from variables: llama.cpp for an L4, and a model in the image.
  cuda        = var.gpu ? "12-6" : ""
  baked_model = var.baked_model == null ? "" : var.baked_model
  gcloud_run  = "--project=${var.project} --region=${var.region}"

  # Identity-Aware Proxy takes no identity token of a person outside a browser.
  login     = length(var.iap_members) > 0
  iap_token = "ACCOUNT=${google_service_account.build.email} URL=${try(google_cloud_run_v2_service.chat[0].uri, "")} sh terraform/gcp/iap_token.sh"

  rollout_command = join(" ", concat([for name, value in local.rollout : "${name}=${value}"], ["sh terraform/gcp/rollout.sh"]))
}

output "url" {
  description = "URL of the service. Null with bootstrap."
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

output "model_access" {
  description = "Command for the owner of the bucket in model_uri that lets the service read it. Null if no such grant is needed."
  value = local.model_bucket == null ? null : join(" ", [
    "gcloud storage buckets add-iam-policy-binding gs://${coalesce(local.model_bucket, "-")}",
    "--member=${google_service_account.run.member} --role=roles/storage.objectViewer",
  ])
}

output "build" {
  description = "Command that tests, builds, pushes and (once there is a service) deploys with Cloud Build, run from the repository's root. The first build takes 15 to 30 minutes."
  value = join(" ", [
    # The beta command shows the log while the build runs.
    "gcloud beta builds submit --project=${var.project} --region=${var.build_region} --config=cloudbuild.yaml",
    "--gcs-source-staging-dir=gs://${google_storage_bucket.sources.name}/source",
    "--service-account=projects/${var.project}/serviceAccounts/${google_service_account.build.email}",
    "--substitutions=${join(",", [
      "_IMAGE=${local.image}", "_SERVICE=${var.bootstrap ? "none" : var.name}", "_REGION=${var.region}",
      "_API_KEY_SECRET=${coalesce(var.api_key_secret, "none")}", "_CUDA=${local.cuda}", "_MODEL=${local.baked_model}",
      "_REVISION=$(git rev-parse HEAD)",
    ])}",
  ])
}

output "push" {
  description = "Command that builds and pushes an image with a local docker and (once there is a service) deploys it like `build`, run from the repository's root."
  value = join(" && ", compact([
    "gcloud auth configure-docker ${var.region}-docker.pkg.dev --quiet",
    join(" ", compact([
      "docker build --platform=linux/amd64 --tag=${local.image}:latest --build-arg REVISION=$(git rev-parse HEAD)",
      local.cuda == "" ? null : "--build-arg CUDA=${local.cuda}",
      var.baked_model == null ? null : "--build-arg MODEL=${local.baked_model}",
      ".",
    ])),
    "docker push ${local.image}:latest",
    var.bootstrap ? null : "IMAGE=${local.image}:latest ${local.rollout_command}",
  ]))
}

output "rollback" {
  description = "Command that gives the traffic to an earlier revision REVISION from the environment, with its image, model and settings. `gcloud run revisions list` names them."
  value       = var.bootstrap ? null : "gcloud run services update-traffic ${var.name} ${local.gcloud_run} --to-revisions=$${REVISION:?}=100"
}

output "curl" {
  description = "Command that requests a streamed reply from the service."
  value = var.bootstrap ? null : join(" ", compact([
    "curl -N ${google_cloud_run_v2_service.chat[0].uri}/chat",
    var.access == "private" && !local.login ? "-H \"X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)\"" : null,
    local.login ? "-H \"Authorization: Bearer $(${local.iap_token})\"" : null,
    var.api_key_secret == null ? null : "-H \"Authorization: Bearer $(gcloud secrets versions access latest --project=${var.project} --secret=${var.api_key_secret})\"",
    "-H 'Content-Type: application/json' -d '{\"prompt\": \"Hello!\"}'",
  ]))
}

output "proxy" {
  description = "Command that opens a private service on http://localhost:8080 with your own identity. Null with iap_members: open the URL in a browser."
  value       = local.login ? null : "gcloud run services proxy ${var.name} --project=${var.project} --region=${var.region} --port=8080"
}

output "github_variables" {
  description = "Commands that set the variables of the workflow deploy-gcp with GitHub's own command line. Null without github_repository."
  value = var.github_repository == null ? null : join("\n", [
    for name, value in {
      GCP_PROJECT        = var.project
      GCP_REGION         = var.region
      GCP_SERVICE        = var.name
      GCP_IMAGE          = local.image
      GCP_ACCOUNT        = google_service_account.build.email
      GCP_PROVIDER       = one(google_iam_workload_identity_pool_provider.github[*].name)
      GCP_API_KEY_SECRET = coalesce(var.api_key_secret, "none")
    } : "gh variable set ${name} --repo ${coalesce(var.github_repository, "-")} --body '${coalesce(value, "-")}'"
  ])
}

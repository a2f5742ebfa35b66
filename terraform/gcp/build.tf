# Identity of cloudbuild.yaml: it may push this service's images, deploy this service, and call it.

resource "google_service_account" "build" {
  account_id   = "${var.name}-build"
  display_name = "${var.name}: builds and deploys"

  depends_on = [google_project_service.api]
}

resource "google_artifact_registry_repository_iam_member" "build_pushes" {
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member

  depends_on = [google_project_service.api]
}

# A bucket of our own in the service's region. The one that gcloud would create is in the US and keeps the source for ever.
resource "google_storage_bucket" "sources" {
  name                        = "${var.project}-${var.name}-sources"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # copies of the source

  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "build_source" {
  bucket = google_storage_bucket.sources.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

resource "google_cloud_run_v2_service_iam_member" "build" {
  for_each = var.bootstrap ? toset([]) : toset(["roles/run.developer", "roles/run.invoker"])

  name     = google_cloud_run_v2_service.chat[0].name
  location = google_cloud_run_v2_service.chat[0].location
  role     = each.value
  member   = google_service_account.build.member
}

# A new revision runs under the service's account.
resource "google_service_account_iam_member" "build_acts_as_run" {
  service_account_id = google_service_account.run.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.build.member
}

# The smoke test signs an identity token of its own.
resource "google_service_account_iam_member" "build_signs_tokens" {
  service_account_id = google_service_account.build.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.build.member
}

resource "google_secret_manager_secret_iam_member" "build_reads_key" {
  count = var.api_key_secret == null ? 0 : 1

  secret_id = var.api_key_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.build.member
}

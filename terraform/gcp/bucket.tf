resource "google_storage_bucket" "models" {
  name                        = "${var.project}-${var.name}-models"
  location                    = var.region # the service's region: close, and reads are free of charge
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy

  # An instance that is reading a model keeps reading that version while a new one is uploaded.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      num_newer_versions         = 1
      days_since_noncurrent_time = 7
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_object" "model" {
  count = var.model_file == null ? 0 : 1

  bucket          = google_storage_bucket.models.name
  name            = var.model
  source          = var.model_file
  deletion_policy = "ABANDON" # after a replacement, instances of the old revision may still have to fetch it
}

resource "google_storage_bucket_iam_member" "reads_models" {
  bucket = google_storage_bucket.models.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.run.member
}

resource "google_storage_bucket_iam_member" "writes_snapshot" {
  count = var.snapshot ? 1 : 0

  bucket = google_storage_bucket.models.name
  role   = "roles/storage.objectUser"
  member = google_service_account.run.member

  condition {
    title      = "the snapshot only"
    expression = "resource.name == \"projects/_/buckets/${google_storage_bucket.models.name}/objects/${var.model}.snapshot\""
  }
}

resource "google_storage_bucket" "models" {
  name                        = "${var.project}-${var.name}-models"
  location                    = var.region # the service's region: close, and reads are free of charge
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

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

# The upload is a command, not a managed object: Terraform never deletes a model, does not read the file in each plan, and a
# machine without the file plans nothing.
resource "terraform_data" "model" {
  count = var.model_file == null ? 0 : 1

  triggers_replace = [google_storage_bucket.models.name, var.model]

  provisioner "local-exec" {
    command = "gcloud storage cp \"$file\" \"$object\""
    environment = {
      file   = var.model_file
      object = "gs://${google_storage_bucket.models.name}/${var.model}"
    }
  }
}

resource "google_storage_bucket_iam_member" "reads_models" {
  bucket = google_storage_bucket.models.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.run.member
}

resource "google_storage_bucket_iam_member" "reads_model_elsewhere" {
  count = local.model_bucket != null && var.grant_model_access ? 1 : 0

  bucket = coalesce(local.model_bucket, "-")
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
    expression = "resource.name == \"projects/_/buckets/${google_storage_bucket.models.name}/objects/${local.model_name}.snapshot\""
  }
}

# Version 0.1 managed the model's object. It stays in the bucket, and only leaves the state.
removed {
  from = google_storage_bucket_object.model

  lifecycle {
    destroy = false
  }
}

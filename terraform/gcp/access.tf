locals {
  iap_files = false # iap/iap_override.tf sets it
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.bootstrap ? toset([]) : toset(var.invokers)

  name     = google_cloud_run_v2_service.chat[0].name
  location = google_cloud_run_v2_service.chat[0].location
  role     = "roles/run.invoker"
  member   = each.value
}

resource "google_secret_manager_secret_iam_member" "reads_key" {
  count = var.api_key_secret == null ? 0 : 1

  secret_id = var.api_key_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.run.member
}

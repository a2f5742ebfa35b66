# Grants for Identity-Aware Proxy. With an empty list of iap_members there are none.

locals {
  iap = length(var.iap_members) > 0 && !var.bootstrap
}

resource "google_project_service" "iap" {
  count = local.iap ? 1 : 0

  service            = "iap.googleapis.com"
  disable_on_destroy = false # the project's other resources may use it
}

# The account with which Identity-Aware Proxy calls the service. It exists after the first request for it; the resource for
# that request is in the provider google-beta only.
resource "terraform_data" "iap_account" {
  count = local.iap ? 1 : 0

  triggers_replace = [var.project]

  provisioner "local-exec" {
    command     = "gcloud beta services identity create --service=iap.googleapis.com --project=\"$PROJECT\" --quiet"
    environment = { PROJECT = var.project }
  }

  depends_on = [google_project_service.iap]
}

resource "google_cloud_run_v2_service_iam_member" "iap" {
  count = local.iap ? 1 : 0

  name     = google_cloud_run_v2_service.chat[0].name
  location = google_cloud_run_v2_service.chat[0].location
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${data.google_project.here[0].number}@gcp-sa-iap.iam.gserviceaccount.com"

  depends_on = [terraform_data.iap_account]
}

resource "google_iap_web_cloud_run_service_iam_member" "member" {
  for_each = local.iap ? toset(var.iap_members) : toset([])

  cloud_run_service_name = google_cloud_run_v2_service.chat[0].name
  location               = google_cloud_run_v2_service.chat[0].location
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value

  depends_on = [google_project_service.iap]
}

# For the test of each revision, and for the output `curl`.
resource "google_iap_web_cloud_run_service_iam_member" "build" {
  count = local.iap ? 1 : 0

  cloud_run_service_name = google_cloud_run_v2_service.chat[0].name
  location               = google_cloud_run_v2_service.chat[0].location
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = google_service_account.build.member

  depends_on = [google_project_service.iap]
}

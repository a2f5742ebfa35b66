# Identity-Aware Proxy in front of the service. Copy this file and iap.tf into the folder above.
#
# They are files of their own because a provider before google 7.21 rejects `iap_enabled`. Terraform merges an override file
# into the resources of the same names.

locals {
  iap_files = true
}

resource "google_cloud_run_v2_service" "chat" {
  iap_enabled = length(var.iap_members) > 0
}

# The test of a revision passes the login. It runs again when Identity-Aware Proxy is switched on or off.
resource "terraform_data" "rollout" {
  triggers_replace = [
    google_cloud_run_v2_service.chat[0].id,
    google_cloud_run_v2_service_iam_member.iap[*].role,
    google_iap_web_cloud_run_service_iam_member.build[*].role,
  ]
}

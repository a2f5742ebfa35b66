locals {
  # Values of a cron expression's fields: minute, hour, day, month, weekday.
  cron_values = ["[0-5]?[0-9]", "([01]?[0-9]|2[0-3])", "(0?[1-9]|[12][0-9]|3[01])", "(0?[1-9]|1[0-2]|[A-Za-z]{3})", "([0-7]|[A-Za-z]{3})"]
  cron_items  = [for value in local.cron_values : "(\\*|${value}(-${value})?)(/[0-9]+)?"]
  cron        = "^${join(" ", [for item in local.cron_items : "${item}(,${item})*"])}$"
}

resource "google_service_account" "warmup" {
  count = var.warmup_schedule == null ? 0 : 1

  account_id   = "${var.name}-warmup"
  display_name = "${var.name}: the scheduled ping"

  depends_on = [google_project_service.api]
}

resource "google_cloud_run_v2_service_iam_member" "warmup" {
  count = var.warmup_schedule == null || var.bootstrap ? 0 : 1

  name     = google_cloud_run_v2_service.chat[0].name
  location = google_cloud_run_v2_service.chat[0].location
  role     = "roles/run.invoker"
  member   = google_service_account.warmup[0].member
}

resource "google_cloud_scheduler_job" "warmup" {
  count = var.warmup_schedule == null || var.bootstrap ? 0 : 1

  name             = "${var.name}-warmup"
  region           = var.region
  description      = "Keeps an instance of ${var.name} warm"
  schedule         = var.warmup_schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "${min(var.timeout_seconds, 1800)}s" # the response waits for the model

  retry_config {
    retry_count = 0 # the next ping is the retry
  }

  http_target {
    http_method = "POST"
    uri         = "${google_cloud_run_v2_service.chat[0].uri}/events"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode({ source = "scheduler", name = var.name }))

    oidc_token {
      service_account_email = google_service_account.warmup[0].email
      audience              = google_cloud_run_v2_service.chat[0].uri
    }
  }
}

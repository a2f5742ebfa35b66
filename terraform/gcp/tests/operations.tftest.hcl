mock_provider "google" {
  override_during = plan

  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://chat-1.europe-west1.run.app" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "sa@p.iam.gserviceaccount.com", member = "serviceAccount:sa@p.iam.gserviceaccount.com", name = "projects/p/serviceAccounts/sa" }
  }
}

variables {
  project         = "my-project-123"
  region          = "europe-west1"
  image           = "europe-west1-docker.pkg.dev/my-project-123/chat/chat:v1"
  model           = "m.gguf"
  warmup_schedule = "*/10 7-18 * * 1-5"
}

run "the_ping_has_an_identity_of_its_own" {
  command = plan

  assert {
    condition = (
      google_cloud_scheduler_job.warmup[0].http_target[0].oidc_token[0].service_account_email == google_service_account.warmup[0].email &&
      google_service_account.warmup[0].account_id != google_service_account.run.account_id
    )
    error_message = "the ping is not sent as its own account"
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.warmup[0].role == "roles/run.invoker"
    error_message = "the ping may not call, or may do more"
  }
}

run "the_ping_goes_where_a_ping_does_not_count_as_traffic" {
  command = plan

  assert {
    condition = (
      google_cloud_scheduler_job.warmup[0].http_target[0].uri == "https://chat-1.europe-west1.run.app/events" &&
      google_cloud_scheduler_job.warmup[0].http_target[0].http_method == "POST"
    )
    error_message = "the ping would ask the model for a reply"
  }
  assert {
    condition     = can(jsondecode(base64decode(google_cloud_scheduler_job.warmup[0].http_target[0].body)))
    error_message = "an event is JSON"
  }
}

run "a_failed_ping_is_not_repeated" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.warmup[0].retry_config[0].retry_count == 0
    error_message = "pings would pile up on a service that is down"
  }
}

run "a_schedule_that_is_not_cron_is_refused" {
  command = plan

  variables {
    warmup_schedule = "every ten minutes"
  }

  expect_failures = [var.warmup_schedule]
}

run "errors_cold_starts_and_waiting_are_alerted_on" {
  command = plan

  variables {
    alert_emails = ["ann@example.com"]
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.alert)) == toset(["errors", "cold_starts", "first_token"])
    error_message = "an alert is missing"
  }
  assert {
    condition     = alltrue([for p in google_monitoring_alert_policy.alert : length(p.notification_channels) == 1])
    error_message = "nobody is told"
  }
  assert {
    condition     = alltrue([for m in google_logging_metric.metric : strcontains(m.filter, "resource.labels.service_name=\"chat\"")])
    error_message = "other services' lines are counted"
  }
}

run "the_dashboard_shows_every_metric" {
  command = plan

  assert {
    condition = alltrue([
      for m in google_logging_metric.metric : strcontains(google_monitoring_dashboard.chat.dashboard_json, "logging.googleapis.com/user/${m.name}")
    ])
    error_message = "a metric has no chart"
  }
}

run "the_image_s_recent_versions_are_kept" {
  command = plan

  assert {
    condition = anytrue([
      for p in google_artifact_registry_repository.images.cleanup_policies : p.action == "KEEP" && p.most_recent_versions[0].keep_count >= 5
      if p.action == "KEEP"
    ])
    error_message = "a revision's image could be cleaned away"
  }
}

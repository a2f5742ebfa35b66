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
    error_message = "the ping does not use its own account"
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.warmup[0].role == "roles/run.invoker"
    error_message = "the ping may not call, or has further permissions"
  }
}

run "the_ping_calls_the_events_path" {
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

run "a_schedule_with_a_wrong_syntax_is_rejected" {
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
    error_message = "the alert has no recipient"
  }
  assert {
    condition     = alltrue([for m in google_logging_metric.metric : strcontains(m.filter, "resource.labels.service_name=\"chat\"")])
    error_message = "lines of other services are counted"
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

run "the_images_recent_versions_are_kept" {
  command = plan

  assert {
    condition = anytrue([
      for p in google_artifact_registry_repository.images.cleanup_policies : p.action == "KEEP" && p.most_recent_versions[0].keep_count >= 5
      if p.action == "KEEP"
    ])
    error_message = "a revision's image could be deleted"
  }
}

run "a_schedule_with_impossible_values_is_rejected" {
  command = plan

  variables {
    warmup_schedule = "99 99 * * *"
  }

  expect_failures = [var.warmup_schedule]
}

run "the_first_apply_creates_metrics_and_no_alerts_on_them" {
  command = plan

  variables {
    bootstrap = true
  }

  assert {
    condition     = length(google_logging_metric.metric) == 3 && length(google_monitoring_alert_policy.alert) == 0
    error_message = "an alert on a metric of the same apply is rejected"
  }
}

run "an_alert_does_not_require_its_metric_to_exist" {
  command = plan

  assert {
    condition = alltrue([
      for p in google_monitoring_alert_policy.alert : p.conditions[0].condition_prometheus_query_language[0].disable_metric_validation
    ])
    error_message = "a metric without data would be rejected for ten minutes"
  }
  assert {
    condition = alltrue([
      for key, p in google_monitoring_alert_policy.alert :
      strcontains(p.conditions[0].condition_prometheus_query_language[0].query, "logging_googleapis_com:user_chat_${key}")
    ])
    error_message = "the query does not name the metric"
  }
}

run "only_the_main_branch_of_one_repository_deploys" {
  command = plan

  variables {
    github_repository = "ann/chat"
  }

  override_resource {
    target          = google_iam_workload_identity_pool.github[0]
    override_during = plan
    values          = { name = "projects/1/locations/global/workloadIdentityPools/chat-github" }
  }
  override_resource {
    target          = google_iam_workload_identity_pool_provider.github[0]
    override_during = plan
    values          = { name = "projects/1/locations/global/workloadIdentityPools/chat-github/providers/github" }
  }
  override_resource {
    target          = google_service_account.build
    override_during = plan
    values          = { email = "chat-build@my-project-123.iam.gserviceaccount.com" }
  }

  assert {
    condition     = strcontains(google_iam_workload_identity_pool_provider.github[0].attribute_condition, "assertion.repository == 'ann/chat' && assertion.ref == 'refs/heads/main'")
    error_message = "another repository or branch could deploy"
  }
  assert {
    condition     = endswith(google_service_account_iam_member.github_acts_as_build[0].member, "/attribute.repository/ann/chat")
    error_message = "another repository could act as the build account"
  }
  assert {
    condition     = strcontains(output.github_variables, "--repo ann/chat")
    error_message = "the workflow would have no variables"
  }
}

run "a_ping_without_the_key_warms_an_instance_that_waits_for_its_model" {
  command = plan

  variables {
    warmup_schedule = "*/10 * * * *"
    api_key_secret  = "chat-key"
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].startup_probe[0].http_get[0].path == "/health/ready"
    error_message = "the ping would be answered before the model is loaded, and the CPU withdrawn"
  }
}

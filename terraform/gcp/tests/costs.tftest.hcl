mock_provider "google" {
  override_during = plan

  mock_data "google_project" {
    defaults = { number = "123456789012", billing_account = "AAAAAA-BBBBBB-CCCCCC" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "sa@p.iam.gserviceaccount.com", member = "serviceAccount:sa@p.iam.gserviceaccount.com", name = "projects/p/serviceAccounts/sa" }
  }
}

variables {
  project = "my-project-123"
  region  = "europe-west1"
}

run "no_budget_by_default" {
  command = plan

  assert {
    condition     = length(google_billing_budget.month) == 0
    error_message = "an apply would need a role in the billing account"
  }
}

run "a_budget_reports_before_and_after_it_is_spent" {
  command = plan

  variables {
    monthly_budget = 20
    alert_emails   = ["ann@example.com"]
  }

  assert {
    condition     = toset([for rule in google_billing_budget.month[0].threshold_rules : "${rule.spend_basis} ${rule.threshold_percent}"]) == toset(["CURRENT_SPEND 0.5", "CURRENT_SPEND 1", "FORECASTED_SPEND 1"])
    error_message = "the report would come too late"
  }
  assert {
    condition     = one(google_billing_budget.month[0].budget_filter[0].projects) == "projects/123456789012"
    error_message = "the budget counts other projects"
  }
}

run "a_key_of_your_own_encrypts_models_images_and_service" {
  command = plan

  variables {
    kms_key = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"
  }

  assert {
    condition = (
      google_storage_bucket.models.encryption[0].default_kms_key_name == var.kms_key &&
      google_artifact_registry_repository.images.kms_key_name == var.kms_key &&
      google_cloud_run_v2_service.chat[0].template[0].encryption_key == var.kms_key
    )
    error_message = "something is encrypted with another key"
  }
}

run "a_key_of_another_region_is_rejected" {
  command = plan

  variables {
    kms_key = "projects/p/locations/us-east1/keyRings/r/cryptoKeys/k"
  }

  expect_failures = [var.kms_key]
}

run "a_label_that_the_cloud_rejects_is_rejected" {
  command = plan

  variables {
    labels = { Team = "ML" }
  }

  expect_failures = [var.labels]
}

run "a_conversation_returns_to_its_instance" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].session_affinity
    error_message = "the next turn would read the whole conversation again"
  }
}

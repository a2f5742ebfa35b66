data "google_project" "here" {
  count = var.monthly_budget == null && length(var.iap_members) == 0 ? 0 : 1

  project_id = var.project
}

resource "google_billing_budget" "month" {
  count = var.monthly_budget == null ? 0 : 1

  billing_account = data.google_project.here[0].billing_account
  display_name    = "${var.name}: a month of ${var.project}"

  budget_filter {
    projects = ["projects/${data.google_project.here[0].number}"]
  }

  amount {
    specified_amount {
      units = tostring(var.monthly_budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [[0.5, "CURRENT_SPEND"], [1, "CURRENT_SPEND"], [1, "FORECASTED_SPEND"]]
    content {
      threshold_percent = threshold_rules.value[0]
      spend_basis       = threshold_rules.value[1]
    }
  }

  dynamic "all_updates_rule" {
    for_each = length(var.alert_emails) == 0 ? [] : [1]
    content {
      monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.name]
    }
  }

  depends_on = [google_project_service.api]
}

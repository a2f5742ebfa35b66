# Alerts from the service's own log lines: errors, cold starts, and the wait for the first token.

locals {
  service_logs = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}\""

  metrics = {
    errors = {
      description = "Log lines of severity ERROR and above"
      filter      = "severity>=ERROR"
      value       = null
    }
    cold_starts = {
      description = "Instances that loaded their model"
      filter      = "jsonPayload.event=\"ready\""
      value       = null
    }
    first_token = {
      description = "Seconds from a request's arrival to its first token"
      filter      = "jsonPayload.event=\"reply\" AND jsonPayload.first_token>=0"
      value       = "EXTRACT(jsonPayload.first_token)"
    }
  }

  # Errors and cold starts: more than this within five minutes. First token: seconds, 95th percentile, above this for ten minutes.
  thresholds = { errors = 0, cold_starts = 20, first_token = 60 }

  # Names of the metrics in PromQL: each character other than a letter or a digit is an underscore.
  prometheus = { for key in keys(local.metrics) : key => "logging_googleapis_com:user_${replace(var.name, "-", "_")}_${key}" }
  queries = {
    for key, metric in local.metrics : key => metric.value == null ?
    "sum(increase(${local.prometheus[key]}{monitored_resource=\"cloud_run_revision\"}[5m]))" :
    "histogram_quantile(0.95, sum by (le) (increase(${local.prometheus[key]}_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
  }
}

resource "google_logging_metric" "metric" {
  for_each = local.metrics

  name            = "${var.name}/${each.key}"
  description     = each.value.description
  filter          = "${local.service_logs} AND ${each.value.filter}"
  value_extractor = each.value.value

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit        = each.value.value == null ? "1" : "s"
  }

  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [each.value.value]
    content {
      exponential_buckets { # 0.05 s to 7 min
        num_finite_buckets = 26
        growth_factor      = 1.414
        scale              = 0.05
      }
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  display_name = "${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.api]
}

# A query in PromQL without metric validation, and only with the service: a threshold on a metric that was created a moment ago
# is rejected for up to ten minutes ("Cannot find metric(s) that match type").
resource "google_monitoring_alert_policy" "alert" {
  for_each = var.bootstrap ? {} : local.metrics

  display_name          = "${var.name}: ${replace(each.key, "_", " ")}"
  combiner              = "OR"
  severity              = each.key == "errors" ? "ERROR" : "WARNING"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.name]

  conditions {
    display_name = each.value.description
    condition_prometheus_query_language {
      query                     = "${local.queries[each.key]} > ${local.thresholds[each.key]}"
      duration                  = each.value.value == null ? "0s" : "600s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "1800s"
  }

  documentation {
    content = "Logs: `${local.service_logs} AND ${each.value.filter}`"
  }

  depends_on = [google_logging_metric.metric]
}

locals {
  run_filter = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}\""

  # title => [filter, aligner, reducer]
  charts = {
    "Requests a second" = ["metric.type=\"run.googleapis.com/request_count\" AND ${local.run_filter}", "ALIGN_RATE", "REDUCE_SUM"]
    "Instances"         = ["metric.type=\"run.googleapis.com/container/instance_count\" AND ${local.run_filter}", "ALIGN_MAX", "REDUCE_SUM"]
    "Memory, share of the limit" = [
      "metric.type=\"run.googleapis.com/container/memory/utilizations\" AND ${local.run_filter}", "ALIGN_PERCENTILE_99", "REDUCE_MAX",
    ]
    "First token, seconds, 95th percentile" = [
      "metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric["first_token"].name}\"", "ALIGN_PERCENTILE_95", "REDUCE_MAX",
    ]
    "Cold starts" = [
      "metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric["cold_starts"].name}\"", "ALIGN_SUM", "REDUCE_SUM",
    ]
    "Errors" = ["metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric["errors"].name}\"", "ALIGN_SUM", "REDUCE_SUM"]
  }
}

resource "google_monitoring_dashboard" "chat" {
  dashboard_json = jsonencode({
    displayName = var.name
    gridLayout = {
      columns = "2"
      widgets = [for title, chart in local.charts : {
        title = title
        xyChart = {
          dataSets = [{
            timeSeriesQuery = {
              timeSeriesFilter = {
                filter      = chart[0]
                aggregation = { alignmentPeriod = "60s", perSeriesAligner = chart[1], crossSeriesReducer = chart[2] }
              }
            }
          }]
        }
      }]
    }
  })

  depends_on = [google_project_service.api]
}

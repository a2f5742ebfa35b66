resource "aws_sns_topic" "alarms" {
  count = length(var.alert_emails) == 0 ? 0 : 1

  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alert_emails)

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  # Thresholds over five minutes. The latency is in Lambda's milliseconds: replies that take over 90 % of the timeout.
  alarms = {
    errors        = { metric = "Errors", statistic = "Sum", percentile = null, above = 0, description = "The function failed, timed out or was killed" }
    server_errors = { metric = "Url5xxCount", statistic = "Sum", percentile = null, above = 0, description = "The URL answered 5xx" }
    error_lines   = { metric = "ErrorLines", statistic = "Sum", percentile = null, above = 0, description = "Log lines of severity ERROR, such as a model that cannot be loaded" }
    throttles     = { metric = "Throttles", statistic = "Sum", percentile = null, above = 10, description = "Every instance was busy (max_instances)" }
    latency = {
      metric      = "Duration", statistic = null, percentile = "p95", above = var.timeout_seconds * 900,
      description = "Replies take nearly as long as timeout_seconds allows"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = var.bootstrap ? {} : local.alarms

  alarm_name          = "${var.name}-${replace(each.key, "_", "-")}"
  alarm_description   = each.value.description
  namespace           = each.key == "error_lines" ? "GgufChat" : "AWS/Lambda" # the function's own log lines define GgufChat
  metric_name         = each.value.metric
  dimensions          = { FunctionName = aws_lambda_function.chat[0].function_name }
  statistic           = each.value.statistic
  extended_statistic  = each.value.percentile
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = "notBreaching" # no requests, no alarm
  alarm_actions       = aws_sns_topic.alarms[*].arn
  ok_actions          = aws_sns_topic.alarms[*].arn
}
